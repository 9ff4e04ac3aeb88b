#!/bin/sh
# A PostgreSQL for trials: makes its data where there is none yet, then becomes the server.
#   PGDATA                  directory of its data
#   POSTGRES_PASSWORD_FILE  file with the password of `kea`, who owns everything
#   POSTGRES_SOCKETS        directory of its unix socket
set -eu

programs=/kea/postgres/bin

if [ ! -s "$PGDATA/PG_VERSION" ]; then
  # Made beside its place and renamed: what was begun and not finished is begun anew.
  rm -rf "$PGDATA.new"
  "$programs/initdb" --pgdata "$PGDATA.new" --username kea --pwfile "$POSTGRES_PASSWORD_FILE" \
    --auth-local trust --auth-host scram-sha-256 --encoding UTF8 --locale C.UTF-8 --no-instructions
  echo 'host all all all scram-sha-256' >>"$PGDATA.new/pg_hba.conf"
  echo 'CREATE DATABASE kea' | "$programs/postgres" --single -D "$PGDATA.new" postgres >/dev/null
  mv "$PGDATA.new" "$PGDATA"
fi

exec "$programs/postgres" -D "$PGDATA" -c listen_addresses='*' -c unix_socket_directories="$POSTGRES_SOCKETS"
