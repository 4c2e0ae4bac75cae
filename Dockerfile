FROM node:20-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
COPY src/client/package.json src/client/
# lmdb brings its binary inside a package; the install scripts of the others serve tests alone.
RUN npm ci --ignore-scripts
COPY . .
# The client's link leads out of what is copied below, and no command needs it.
RUN npm run build && npm prune --omit=dev --ignore-scripts && rm -r node_modules/@changecast

FROM node:20-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/config ./config
COPY --from=build /app/dist ./dist
RUN chmod 755 dist/src/main.js \
    && ln -s /app/dist/src/main.js /usr/local/bin/changecast \
    && mkdir -p /etc/changecast /var/lib/changecast \
    && chown node:node /var/lib/changecast
USER node
VOLUME /var/lib/changecast
EXPOSE 7070
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:7070/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["changecast", "run", "-c", "/etc/changecast/changecast.yaml"]
