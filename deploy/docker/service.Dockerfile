# syntax=docker/dockerfile:1
# One of KEA's services: auth, registry, deployer, router or gateway. From the repository's root:
#   docker build -f deploy/docker/service.Dockerfile --build-arg SERVICE=auth -t REGISTRY/kea/auth:0.1.0 .
# The same files as in the images of `make images`, in the same places.

ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
ARG SERVICE
WORKDIR /work
# The lock says which uv; it is one of the deployer's own dependencies.
COPY requirements.lock ./
RUN python3 -m venv /tools \
 && /tools/bin/pip install --quiet --no-cache-dir "uv==$(sed -n 's/^uv==\([^ ]*\).*/\1/p' requirements.lock)" packaging
COPY tools/images tools/images
COPY libs libs
COPY services services
# Wheels only, and only what the lock has, checked against its hashes. Bytecode that is never checked against times:
# nothing can be written where it runs.
RUN /tools/bin/python tools/images/describe.py requirements "${SERVICE}" >/requirements.in \
 && /tools/bin/uv pip install --quiet --no-build --python "$(command -v python3)" --target /kea/packages \
      --constraints requirements.lock -r /requirements.in \
 && mkdir -p /kea/src \
 && for directory in $(/tools/bin/python tools/images/describe.py sources "${SERVICE}"); do cp -r "${directory}/." /kea/src || exit 1; done \
 && find /kea -name __pycache__ -prune -exec rm -rf {} +
# Some packages bring files that are no Python, which does not matter.
RUN python3 -m compileall -q --invalidation-mode unchecked-hash /kea || true
# An image has one entrypoint, whatever the service.
RUN printf '#!/bin/sh\nexec python3 -P -m %s "$@"\n' "$(/tools/bin/python tools/images/describe.py module "${SERVICE}")" >/kea/start \
 && chmod 755 /kea/start

FROM ${BASE}
COPY --from=build /kea /kea
ENV HOME=/tmp PYTHONPATH=/kea/src:/kea/packages PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532:65532
WORKDIR /
ENTRYPOINT ["/kea/start"]
