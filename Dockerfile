# One image for every program: docker build --tag trustlens . && docker run --rm trustlens trainer --help
FROM python:3.11-slim AS made

WORKDIR /app
RUN python -m venv /app/.venv
ENV PATH=/app/.venv/bin:$PATH
COPY requirements.lock ./
# The lock holds the tests' tools too, with everything's hashes; what only tests need is taken out again.
RUN pip install --no-cache-dir --require-hashes -r requirements.lock \
    && pip uninstall --yes check-jsonschema hypothesis mypy pytest pytest-xdist ruff
COPY . .
RUN pip install --no-cache-dir --no-deps --no-build-isolation --editable .


FROM python:3.11-slim

# LightGBM's threads.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/*

RUN useradd --uid 10001 --no-create-home --home-dir /tmp trustlens \
    && mkdir /data \
    && chown trustlens /data
COPY --from=made /app /app

# Compiled loops, fonts and the like go to /tmp, the only place but /data where the programs may write.
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    NUMBA_CACHE_DIR=/tmp/numba \
    MPLCONFIGDIR=/tmp/matplotlib \
    TRUSTLENS_DB=/data/risk.db \
    TRUSTLENS_RULES=/data/rules \
    TRUSTLENS_STATE=/data/state

USER trustlens
# Bundles are looked for in models/ below it.
WORKDIR /data
VOLUME /data
EXPOSE 9108 9109 9110

# Of a worker, which is what most containers are; docker-compose.yml says it for the others.
HEALTHCHECK --interval=15s --timeout=10s --start-period=60s \
    CMD ["python", "-m", "ops.healthy", "http://127.0.0.1:9108/metrics", "trustlens_up 1"]

ENTRYPOINT ["python", "-m"]
CMD ["scorer", "worker"]
