#!/bin/sh
# Run once by the image of the first primary: the role that standbys replicate as, and their way in.
set -eu
psql --set ON_ERROR_STOP=1 --set password="$REPLICATION_PASSWORD" --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
create role opennrw_replication login replication password :'password';
SQL
echo 'host replication opennrw_replication all scram-sha-256' >> "$PGDATA/pg_hba.conf"
