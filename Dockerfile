# Built in two steps: the compiler and its packages stay behind.
FROM node:26-slim AS build
WORKDIR /build
COPY package.json package-lock.json tsconfig.json ./
RUN npm ci --omit=optional --no-audit --no-fund
COPY src src
COPY test/house/tsconfig.dist.json test/house/
RUN node node_modules/typescript/bin/tsc -p test/house/tsconfig.dist.json \
 && npm prune --omit=dev --omit=optional --no-audit --no-fund

FROM node:26-slim
RUN groupadd --system postern && useradd --system --gid postern --no-create-home postern
WORKDIR /postern
COPY package.json LICENSE ./
COPY --from=build /build/node_modules node_modules
COPY --from=build /build/dist dist
COPY src/launcher.js src/
COPY policies policies
RUN mkdir state keys && chown postern:postern state keys && chmod 0700 state keys

# It starts as root so that the fronts, which read strangers' bytes, become the user `postern` and the keeper does not. With
# `docker run --user postern` all of it runs as `postern`; the fronts still open no file, but share the keeper's user.
VOLUME ["/postern/policies", "/postern/state", "/postern/keys"]
EXPOSE 995
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:9110/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# Node itself is process 1, so that SIGTERM drains. The switch closes Node's inspector from the first moment on.
ENTRYPOINT ["node", "--disable-sigusr1", "src/launcher.js"]
CMD ["serve"]
