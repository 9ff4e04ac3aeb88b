# syntax=docker/dockerfile:1
# What models' images stand on: a base with a Python, which it tells. From the repository's root:
#   docker build -f deploy/docker/python.Dockerfile -t REGISTRY/kea/python:3.11 .
ARG BASE=python:3.11-slim-bookworm
FROM ${BASE}
LABEL dev.kea.python=3.11
