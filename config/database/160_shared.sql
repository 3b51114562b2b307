-- Objects at the borders of districts are in the packages of both.
create table provenance.shared (
  collection text not null,
  id text not null,
  package text not null,
  primary key (collection, id, package)
);
comment on table provenance.shared is
  'Features that were met in several packages of a product, and those that hold them: one that leaves a package is not gone while another holds it';
