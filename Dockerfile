# syntax=docker/dockerfile:1
# The hub and the one Node it is tested on, on a base without shell or package manager.
#
#   docker build --tag imaging-hub:0.1.0 --build-arg REVISION=$(git rev-parse HEAD) .
#
# What is inside: `npm sbom --omit=dev --sbom-format=cyclonedx` says it from the same lock file.

# npm only; what runs is the Node of package-lock.json, with its digest.
FROM node:24.21.0-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --omit=dev --no-audit --no-fund
# Inference brings its libraries for every system there is; and the Node gets a name that does not depend on the processor.
RUN rm -rf node_modules/onnxruntime-node/bin/napi-v6/darwin node_modules/onnxruntime-node/bin/napi-v6/win32 \
  && ln -s node_modules/node-linux-*/bin/node node
COPY . .
# An empty data folder that the hub's user owns: what a new volume is filled with.
RUN mkdir /data && chmod 700 /data

FROM gcr.io/distroless/cc-debian12:nonroot
ARG REVISION=unknown
LABEL org.opencontainers.image.title="imaging-hub" \
  org.opencontainers.image.description="Receives studies, de-identifies, checks, segments and delivers them" \
  org.opencontainers.image.version="0.1.0" \
  org.opencontainers.image.revision="${REVISION}" \
  org.opencontainers.image.licenses="Apache-2.0"
# Nobody the hub runs as owns what it runs.
COPY --from=build --chown=0:0 /app /app
COPY --from=build --chown=65532:65532 /data /var/lib/hub
# Where a destination of type folder may write, for whoever mounts a volume there.
COPY --from=build --chown=65532:65532 /data /var/lib/hub-out
WORKDIR /app
# From UV_THREADPOOL_SIZE on as bin/pinned-node.mjs sets them, and for the reasons it gives.
ENV NODE_ENV=production \
  HUB_HUB_DATA=/var/lib/hub \
  HUB_GATEWAY_HTTP_HOST=0.0.0.0 \
  UV_THREADPOOL_SIZE=8 \
  MALLOC_ARENA_MAX=2 \
  MALLOC_MMAP_THRESHOLD_=131072 \
  MALLOC_TRIM_THRESHOLD_=1048576
USER 65532:65532
EXPOSE 11112 8080
VOLUME ["/var/lib/hub"]
STOPSIGNAL SIGTERM
# For Docker and Compose; Kubernetes has probes of its own.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=6 \
  CMD ["/app/node", "-e", "fetch('http://127.0.0.1:8080/health/live').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["/app/node", "--disable-warning=ExperimentalWarning", "--disable-warning=TimeoutNegativeWarning", "--max-semi-space-size=4", "--heap-growing-percent=100", "--expose-gc", "/app/main.ts"]
CMD ["start", "--config", "/etc/hub/hub.yaml"]
