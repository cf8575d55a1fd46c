# guestd in a template image.
#
#   docker build -t guestd .                                  every language, on Debian 12
#   docker build -t guestd --target slim .                    Python, JavaScript, TypeScript and Bash
#   docker build -t guestd --build-arg KERNELS="python bash" .
#   docker build -t guestd --build-arg BASE=ubuntu:24.04 .    another Debian or Ubuntu
#   docker build --target artefact -o out .                   /opt/guestd alone: COPY it into any image with glibc 2.28 or newer
#
# Behind a private registry or a TLS proxy pass any of --secret id=npmrc,src=… id=pipconf,src=… id=ca,src=…: nothing of them stays in a layer.
# Mounts are all it has of BuildKit; builders that have none take it without them: sed 's/--mount=[^ ]* *//g' Dockerfile | docker build -f - .

# The glibc of the build image bounds where the compiled parts run: that of Debian 11 keeps them below Node's own floor, 2.28.
ARG NODE=node:24-bullseye-slim
ARG BASE=debian:12-slim

FROM ${NODE} AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3 make g++ tini patchelf \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY package.json package-lock.json ./
# Of the development packages the bundler alone, as the lock file has it. The add-on is compiled against the headers beside Node.
RUN --mount=type=secret,id=ca --mount=type=secret,id=npmrc,target=/root/.npmrc --mount=type=cache,target=/root/.npm \
    options="--omit=dev --ignore-scripts --no-audit --no-fund" \
 && npm ci $options \
 && npm install $options --no-save --save-prod "esbuild@$(node -p 'require("./package-lock.json").packages["node_modules/esbuild"].version')" \
 && cd node_modules/node-pty \
 && node /usr/local/lib/node_modules/npm/node_modules/node-gyp/bin/node-gyp.js rebuild --nodedir=/usr/local
COPY tsconfig.json build.config.ts bundle.config.ts code-cache.config.ts artefact.config.ts ./
COPY src src
COPY kernels kernels
RUN node build.config.ts && node artefact.config.ts /out/opt/guestd

# All that guestd needs besides glibc and the languages, in one folder that may be moved.
FROM scratch AS artefact
COPY --from=build /out/ /

FROM ${BASE} AS base
ARG SUDO=yes
ENV LANG=C.UTF-8
RUN set -eu; packages="bash ca-certificates curl git procps"; \
    if [ "$SUDO" = yes ]; then packages="$packages sudo"; fi; \
    apt-get update; DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $packages; rm -rf /var/lib/apt/lists/*
# Clients expect the account `user` with id 1000; some bases have another one with that id.
RUN set -eu; \
    owner=$(getent passwd 1000 | cut -d: -f1); \
    if [ -n "$owner" ]; then userdel -r "$owner" 2>/dev/null || userdel "$owner"; fi; \
    groupadd -f -g 1000 user; useradd -m -u 1000 -g user -s /bin/bash user; \
    if [ "$SUDO" = yes ]; then mkdir -p /etc/sudoers.d; echo 'user ALL=(ALL:ALL) NOPASSWD: ALL' > /etc/sudoers.d/user; chmod 440 /etc/sudoers.d/user; fi
# The same for whoever asks, as `guestd doctor` does.
ENV GUESTD_PREPARED_DIR=/var/lib/guestd/kernels
# Not to listen on loopback only: without a token it answers /health and waits for the first /init.
ENV GUESTD_HOST=0.0.0.0
# Programs that ask whether they are in a sandbox look there.
ENV GUESTD_IDENTITY_DIR=/run/e2b
WORKDIR /home/user
EXPOSE 49983 49999
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["/opt/guestd/bin/guestd", "health"]
ENTRYPOINT ["/opt/guestd/bin/tini", "--", "/opt/guestd/bin/guestd"]

# The runtimes of the languages come before guestd, so that a changed source file does not install them again.
FROM base AS slim
ARG KERNELS="python javascript typescript bash"
COPY kernels/install.sh /tmp/kernels/
COPY kernels/python/requirements.txt /tmp/kernels/python/
RUN --mount=type=secret,id=ca --mount=type=secret,id=pipconf,target=/etc/pip.conf sh /tmp/kernels/install.sh $KERNELS && rm -r /tmp/kernels
COPY --from=artefact /opt/guestd /opt/guestd
RUN sh /opt/guestd/kernels/python/compile.sh "$GUESTD_PREPARED_DIR/python"
RUN ln -s /opt/guestd/bin/guestd /usr/local/bin/guestd; command -v node >/dev/null || ln -s /opt/guestd/bin/node /usr/local/bin/node

FROM base AS full
ARG KERNELS="python javascript typescript r java bash"
COPY kernels/install.sh /tmp/kernels/
COPY kernels/python/requirements.txt /tmp/kernels/python/
RUN --mount=type=secret,id=ca --mount=type=secret,id=pipconf,target=/etc/pip.conf sh /tmp/kernels/install.sh $KERNELS && rm -r /tmp/kernels
COPY --from=artefact /opt/guestd /opt/guestd
RUN case " $KERNELS " in *" java "*) sh /opt/guestd/kernels/java/prepare.sh "$GUESTD_PREPARED_DIR/java";; esac
RUN sh /opt/guestd/kernels/python/compile.sh "$GUESTD_PREPARED_DIR/python"
RUN ln -s /opt/guestd/bin/guestd /usr/local/bin/guestd; command -v node >/dev/null || ln -s /opt/guestd/bin/node /usr/local/bin/node
