# The service for production: `docker build -t tiktok-connector .` Nothing of the sandbox or of the embedded PostgreSQL is in it, so it
# starts with a DATABASE_URL and a TikTok app only. With the sandbox, for tests: `docker build --target sandbox .`
# scripts/image-tree.ts reads this file, and `npm test` starts what it describes.

# The Node that package.json runs the tests on.
FROM node:24.21.0-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# The lockfile names this workspace; the service does not import it.
COPY clients/typescript/package.json clients/typescript/
# Optional packages are the embedded PostgreSQL. None of the others needs an install script.
RUN npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund

FROM node:24.21.0-slim AS base
WORKDIR /app
ENV NODE_ENV=production DATA_DIR=/data
COPY package.json LICENSE ./
COPY --from=packages /app/node_modules node_modules
COPY src src
RUN mkdir /data && chown node:node /data
USER node
VOLUME /data
# gRPC, HTTP, and the metrics where METRICS_PORT=9464
EXPOSE 50051 8080 9464
STOPSIGNAL SIGTERM
# HTTP_HOST has to be one that 127.0.0.1 reaches, such as 0.0.0.0 (docs/callers.md).
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --start-interval=1s --retries=3 CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.HTTP_PORT || 8080}/healthz`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
# V8 would walk its whole heap for each 64 MB of a video that pass through; its later versions do as this flag says by themselves.
CMD ["node", "--external-memory-accounted-in-global-limit", "src/main.ts"]

FROM base AS sandbox
LABEL org.opencontainers.image.title="Glowtify TikTok connector with its sandbox" org.opencontainers.image.licenses="MIT"
COPY sandbox sandbox

# Last, so that it is what a build without a target makes.
FROM base AS service
LABEL org.opencontainers.image.title="Glowtify TikTok connector" org.opencontainers.image.licenses="MIT"
