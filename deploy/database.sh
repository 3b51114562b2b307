#!/bin/sh
# Starts one of two database servers, NAME and PEER. On its first start it makes itself: as the primary or as a copy of
# PEER (FIRST_START). Afterwards the data folder knows what it is: a standby becomes the primary by pg_promote().
set -eu
export PGDATA=/var/lib/postgresql/data/opennrw

copy_peer() {
    export PGPASSWORD="$REPLICATION_PASSWORD"
    peer="host=$PEER user=opennrw_replication dbname=$POSTGRES_DB connect_timeout=5"
    until psql --quiet --dbname "$peer" --command "select pg_create_physical_replication_slot('$NAME')
            where not exists (select from pg_replication_slots where slot_name = '$NAME')"; do
        sleep 2 # until the primary is there
    done
    rm -rf "$PGDATA.draft"
    pg_basebackup --dbname "$peer application_name=$NAME" --pgdata "$PGDATA.draft" --checkpoint=fast --write-recovery-conf --slot "$NAME"
    mv "$PGDATA.draft" "$PGDATA" # whole or not at all
}

if [ "$FIRST_START" = standby ] && [ ! -s "$PGDATA/PG_VERSION" ]; then
    copy_peer
fi
unset PGPASSWORD

# What the standby has not fetched is kept for it, but not until the disk is full; its reads delay vacuum rather than end
exec docker-entrypoint.sh postgres \
    -c wal_level=replica \
    -c max_wal_senders=10 \
    -c max_slot_wal_keep_size=20GB \
    -c hot_standby_feedback=on \
    -c wal_compression=on
