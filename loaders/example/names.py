"""Invented names of places and streets. No name of a municipality of North Rhine-Westphalia comes out."""

import itertools

import numpy as np

PLACE_STEMS = tuple(
    "Krähen Füchten Königs Möhren Weißen Süder Hollunder Brömmel Ahl Rött Söhn Ühren Lüß Grüßen Dörn Hüls Mersch "
    "Ketten Silber Öding Wacholder Tauben Reiher Sperber Kiebitz Schleh Quendel Immen Bütten Köter Löhn Nöll Pött "
    "Strüb Tüms Wöhl Äsch Bröder Drösel Gößel".split()
)
PLACE_ENDINGS = tuple(
    "brück hagen rode felde büttel kirchen born wiede lohe mühlen hövel heim stedt förde winkel beck sieken trup "
    "wöhrden horst ufer scheidt bruch kamp hude".split()
)
LANDSCAPES = ("Lüßtal", "Hohe Möhne", "Krähenland", "Brömmelberg", "Söhrwald", "Immenheide", "Wöhlmark", "Nöllgau")

TREES_AND_FLOWERS = tuple(
    "Ahorn Akazien Apfel Birken Buchen Eichen Erlen Eschen Fichten Flieder Föhren Ginster Hasel Heckenrosen Holunder "
    "Kastanien Kiefern Kirsch Lärchen Linden Nelken Nuß Pappel Pflaumen Rosen Rüstern Schlehen Tannen Tulpen Ulmen "
    "Veilchen Wacholder Weiden Zedern Narzissen Dahlien Mispel Quitten Enzian Lavendel".split()
)
BIRDS_AND_BEASTS = tuple(
    "Amsel Bussard Dachs Drossel Elster Falken Finken Fuchs Habicht Hasen Igel Kiebitz Kranich Lerchen Meisen "
    "Nachtigallen Reiher Rotkehlchen Schwalben Sperber Spechts Star Storchen Wachtel Zeisig Zaunkönig".split()
)
LAND = tuple(
    "Acker Bach Berg Brunnen Burg Deich Feld Garten Grenz Heide Hof Höhen Insel Mühlen Quellen Sand Schloß See Stein "
    "Tal Teich Ufer Wald Wasser Weiher Wiesen Ziegelei Glocken Kapellen Kloster Kreuz Jäger Schäfer Schmiede Töpfer "
    "Weber Müller Köhler Gerber Böttcher Fischer Flößer Nord Ost Süd West Sonnen Süßwasser Weißdorn Grünland".split()
)
PEOPLE = tuple(
    "Goethe Schiller Lessing Hölderlin Mörike Kleist Fontane Storm Heine Uhland Eichendorff Keller Raabe Büchner Grimm "
    "Mozart Beethoven Schubert Händel Bach Haydn Brahms Schumann Weber Wagner Dürer Cranach Holbein Grünewald Menzel "
    "Kant Hegel Leibniz Humboldt Gauß Bessel Kepler Röntgen Planck Koch Virchow Pestalozzi Fröbel Röck Droste".split()
)
MAKERS = tuple(
    "Industrie Gewerbe Siemens Daimler Diesel Otto Borsig Zeppelin Liebig Bunsen Ohm Hertz Gutenberg Bosch Kessel "
    "Hammer Eisen Stahl Kupfer Zink Werk Fabrik Hafen Gleis Lager".split()
)
GROUNDS = tuple(
    "Brühl Bruch Kamp Esch Anger Hang Bühl Rain Loh Hagen Graben Damm Kolk Brink Stadtpark Bahnhof Sportplatz "
    "Wasserturm Ziegelofen Südhang Mühlbach Schloßpark Kühlen Grund Wäldchen Steinbruch Weinberg Hünengrab".split()
)
FIRST_NAMES = tuple(
    "Anna Berta Käthe Clara Elise Emmy Frieda Grete Hedwig Ida Jettchen Lotte Marthe Ottilie Rosa Sophie Therese Wilma "
    "Albert Bruno Emil Fritz Gustav Heinrich Jürgen Karl Ludwig Moritz Paul Rüdiger Theodor Wilhelm".split()
)
SURNAMES = tuple(
    "Süßmann Weißbach Röhrig Grünberg Möllers Hölscher Brüning Kürten Schräder Böhmer Jütte Köster Lübbers Nießen "
    "Pöhlmann Rößler Schößler Tönnies Völker Wörmann Zäunert Äckermann Öhlers Überhorst Bröker Düsing Flüß".split()
)
MAIN = ("Hauptstraße", "Bahnhofstraße", "Königsallee", "Große Straße", "Lange Straße", "Mühlenstraße", "Steinweg")
CORE = tuple(
    "Schloßgäßchen Kirchgasse Marktgasse Böttchergasse Gerbergasse Schmiedegasse Rathausgasse Weberstraße "
    "Färbergasse Bäckergasse Salzstraße Kornmarkt Fischmarkt Heumarkt Roßmarkt Klosterhof Burgstraße Brüderstraße "
    "Küstergang Neugasse Spitalgasse Töpfergasse Zeughausstraße Klappergasse Mönchsgäßchen Hühnergasse "
    "Seilergasse Turmgasse Badergasse Mauerstraße Fleischgasse Katzengang Lohgasse Stiftsplatz Weißgerbergasse".split()
)
COMPASS = ("Ost", "Nordost", "Nord", "Nordwest", "West", "Südwest", "Süd", "Südost")


def place_names(rng: np.random.Generator) -> list[str]:
    """All invented place names in an order of the seed's own."""
    names = [stem + ending for stem, ending in itertools.product(PLACE_STEMS, PLACE_ENDINGS)]
    return [names[i] for i in rng.permutation(len(names))]


def toward(place: str) -> str:
    """The main road that leads to a place: Krähenfelde -> Krähenfelder Straße."""
    return (place if place.endswith("er") else place + ("r" if place.endswith("e") else "er")) + " Straße"


class StreetNames:
    """Hands out street names, none twice in a municipality."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._used: set[str] = set()
        self._pools = {kind: iter(_shuffled(rng, names)) for kind, names in _pools().items()}
        self._compounds = iter(_shuffled(rng, _compounds()))

    def claim(self, name: str) -> str | None:
        """The name itself if it is still free."""
        if name in self._used:
            return None
        self._used.add(name)
        return name

    def next(self, kind: str) -> str:
        """A free name that suits the kind of street: main, core, works or home."""
        for name in itertools.chain(self._pools[kind], self._pools["home"], self._compounds):
            if self.claim(name):
                return name
        raise RuntimeError(f"no street name is left after {len(self._used)}; extend the word lists in names.py")


def _pools() -> dict[str, list[str]]:
    home = [stem + ending for stem in TREES_AND_FLOWERS + LAND for ending in ("straße", "weg")]
    home += [stem + "weg" for stem in BIRDS_AND_BEASTS] + [stem + "straße" for stem in PEOPLE]
    home += [f"{before} {ground}" for ground in GROUNDS for before in ("Am", "Im", "Zum")]
    home += [stem + ending for stem in LAND[:20] for ending in ("ring", "pfad", "kamp")]
    works = [stem + "straße" for stem in MAKERS]
    honour = [
        f"{first}-{last}-{end}" for first in FIRST_NAMES for last in SURNAMES for end in ("Straße", "Weg", "Platz")
    ]
    return {"honour": honour, "main": list(MAIN), "core": list(CORE), "works": works, "home": home}


def _compounds() -> list[str]:
    middles = ("grund", "tal", "berg", "feld", "bach", "hain", "busch", "wiesen", "höhe", "mühlen", "brücken", "teich")
    endings = ("weg", "straße", "allee", "pfad", "stieg", "kamp", "platz", "ring")
    stems = TREES_AND_FLOWERS + BIRDS_AND_BEASTS + LAND
    return [f"{stem}{middle}{ending}" for stem in stems for middle in middles for ending in endings]


def _shuffled(rng: np.random.Generator, names: list[str]) -> list[str]:
    unique = list(dict.fromkeys(names))
    return [unique[i] for i in rng.permutation(len(unique))]
