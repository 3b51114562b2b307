# The server and the loaders; the database is another image, see compose.yaml.
ARG PYTHON_IMAGE=python:3.13-slim-trixie

FROM ${PYTHON_IMAGE} AS build
# where pip fetches from, if not from its default; only the build knows it
ARG PIP_INDEX_URL
WORKDIR /build
RUN python -m venv --without-pip /opt/opennrw
COPY requirements.lock ./
RUN --mount=type=cache,target=/var/cache/pip \
    python -m pip --python /opt/opennrw/bin/python --cache-dir /var/cache/pip --disable-pip-version-check install --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY server server
COPY loaders loaders
COPY processes processes
RUN python -m pip --python /opt/opennrw/bin/python --disable-pip-version-check install --no-deps --no-build-isolation .

# the same base: a virtual environment works only with the interpreter that made it
FROM ${PYTHON_IMAGE}
COPY --from=build /opt/opennrw /opt/opennrw
COPY config /etc/opennrw/config
COPY collections /etc/opennrw/collections
RUN mkdir -p /data/downloads && chown -R 10001:10001 /data
ENV PATH=/opt/opennrw/bin:$PATH \
    LANG=C.UTF-8 \
    PYTHONUNBUFFERED=1 \
    OPENNRW_HOME=/data \
    OPENNRW_CONFIG_DIR=/etc/opennrw/config \
    OPENNRW_COLLECTIONS_DIR=/etc/opennrw/collections \
    OPENNRW_HOST=0.0.0.0 \
    OPENNRW_PORT=8080
USER 10001:10001
WORKDIR /data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + os.environ['OPENNRW_PORT'] + '/readyz', timeout=4)"]
CMD ["opennrw", "serve"]
