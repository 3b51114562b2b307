// EPSG:25832 (ETRS89 / UTM zone 32N on GRS 80) from degrees by Krüger's series: less than a millimetre off within the state.

const FLATTENING = 1 / 298.257222101;
const N = FLATTENING / (2 - FLATTENING);
const ECCENTRICITY = Math.sqrt(FLATTENING * (2 - FLATTENING));
const SCALED_RADIUS = (0.9996 * 6378137 * (1 + N ** 2 / 4 + N ** 4 / 64)) / (1 + N);
const SERIES = [
  N / 2 - (2 * N ** 2) / 3 + (5 * N ** 3) / 16 + (41 * N ** 4) / 180,
  (13 * N ** 2) / 48 - (3 * N ** 3) / 5 + (557 * N ** 4) / 1440,
  (61 * N ** 3) / 240 - (103 * N ** 4) / 140,
  (49561 * N ** 4) / 161280,
];
const RADIANS = Math.PI / 180;

/** [easting, northing] in metres of [longitude, latitude] in degrees. */
export function toUtm([longitude, latitude]) {
  const sine = Math.sin(latitude * RADIANS);
  const east = (longitude - 9) * RADIANS;
  const conformal = Math.sinh(Math.atanh(sine) - ECCENTRICITY * Math.atanh(ECCENTRICITY * sine));
  const xi = Math.atan2(conformal, Math.cos(east));
  const eta = Math.asinh(Math.sin(east) / Math.hypot(conformal, Math.cos(east)));
  let [x, y] = [eta, xi];
  SERIES.forEach((factor, i) => {
    const twice = 2 * (i + 1);
    x += factor * Math.cos(twice * xi) * Math.sinh(twice * eta);
    y += factor * Math.sin(twice * xi) * Math.cosh(twice * eta);
  });
  return [500000 + SCALED_RADIUS * x, SCALED_RADIUS * y];
}

/** Length of a line of [easting, northing], metres. */
export const lengthOf = (line) =>
  line.slice(1).reduce((sum, [x, y], i) => sum + Math.hypot(x - line[i][0], y - line[i][1]), 0);

/** Area of a ring of [easting, northing], square metres; the ring need not be closed. */
export const areaOf = (ring) =>
  Math.abs(ring.reduce((sum, [x, y], i) => {
    const [nextX, nextY] = ring[(i + 1) % ring.length];
    return sum + x * nextY - nextX * y;
  }, 0)) / 2;
