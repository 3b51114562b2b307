#!/bin/sh
# Starts one of two database servers, NAME and PEER. On its first start it makes itself: as the primary or as a copy of
# PEER (FIRST_START). Afterwards the data folder knows what it is: a standby becomes the primary by pg_promote().
set -eu
export PGDATA=/var/lib/postgresql/data/opennrw

export PGPASSWORD="$REPLICATION_PASSWORD"
peer="host=$PEER user=opennrw_replication dbname=$POSTGRES_DB connect_timeout=5"

copy_peer() {
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

# A former primary that comes back must not be a second one; where PEER does not answer, it cannot be asked
if [ -s "$PGDATA/PG_VERSION" ] && [ ! -e "$PGDATA/standby.signal" ] &&
    [ "$(psql -XAt --dbname "$peer" --command 'select pg_is_in_recovery()' 2>&1)" = f ]; then
    echo "$NAME does not start: $PEER is the primary now. Make $NAME anew: delete $PGDATA, set FIRST_START=standby" >&2
    exit 1
fi
unset PGPASSWORD

# What the standby has not fetched is kept for it, but not until the disk is full; its reads delay vacuum rather than end
exec docker-entrypoint.sh postgres \
    -c wal_level=replica \
    -c max_wal_senders=10 \
    -c max_slot_wal_keep_size=20GB \
    -c hot_standby_feedback=on \
    -c wal_compression=on
