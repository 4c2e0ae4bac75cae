/**
 * A Postgres in a container, where a Docker daemon answers. The container's first process only
 * sleeps, so that the server inside can be stopped and started with its data and its port kept.
 */
import { existsSync } from "node:fs";
import { connect } from "node:net";
import type { NetConnectOpts } from "node:net";
import type { StartedTestContainer } from "testcontainers";
import { settingFlags, superuser, untilReady } from "./postgres-machine.js";
import type {
  Login,
  PostgresMachine,
  PostgresSettings,
  PostgresVersion,
  StopMode,
} from "./postgres-machine.js";

const DAEMON_TIMEOUT_MS = 1_000;
const DATA = "/tmp/changecast-data";

/** Whether a daemon accepts connections where DOCKER_HOST says, or at the usual socket. */
export async function dockerAnswers(): Promise<boolean> {
  const target = daemonAddress();
  if (target === undefined) return false;
  return new Promise((resolve) => {
    const socket = connect(target);
    const settle = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(DAEMON_TIMEOUT_MS, () => {
      settle(false);
    });
    socket.once("connect", () => {
      settle(true);
    });
    socket.once("error", () => {
      settle(false);
    });
  });
}

export async function startContainer(
  version: PostgresVersion,
  settings: PostgresSettings,
): Promise<PostgresMachine> {
  const { GenericContainer, Wait } = await import("testcontainers");
  const container = await new GenericContainer(`postgres:${String(version)}`)
    .withEntrypoint(["sleep", "infinity"])
    .withExposedPorts(5432)
    .withWaitStrategy(Wait.forSuccessfulCommand("true"))
    .start();
  const machine = new PostgresContainer(container, settings);
  try {
    await machine.initialise();
    await machine.start();
    return machine;
  } catch (error) {
    await machine.destroy();
    throw error;
  }
}

class PostgresContainer implements PostgresMachine {
  readonly login: Login;
  readonly dataDir = undefined;
  readonly #container: StartedTestContainer;
  readonly #settings: PostgresSettings;
  #destroyed: Promise<unknown> | undefined;

  constructor(container: StartedTestContainer, settings: PostgresSettings) {
    this.#container = container;
    this.#settings = settings;
    const port = container.getMappedPort(5432);
    this.login = { host: container.getHost(), port, ...superuser };
  }

  pid(): undefined {
    return undefined;
  }

  async initialise(): Promise<void> {
    const initdb = `initdb -D ${DATA} -U ${superuser.user} --pwfile=/tmp/password`;
    const flags = "--auth=scram-sha-256 -E UTF8 --locale=C --no-sync --no-instructions";
    await this.#run(`echo ${superuser.password} > /tmp/password && ${initdb} ${flags}`);
    await this.#run(`echo 'host all all all scram-sha-256' >> ${DATA}/pg_hba.conf`);
    await this.#run(`echo 'host replication all all scram-sha-256' >> ${DATA}/pg_hba.conf`);
  }

  async start(): Promise<void> {
    const flags = ["-c", "listen_addresses=*", ...settingFlags(this.#settings)].join(" ");
    await this.#run(`pg_ctl -D ${DATA} -l /tmp/log -o '${flags}' -w start`);
    await untilReady(this.login, () => undefined);
  }

  async stop(mode: StopMode): Promise<void> {
    await this.#run(`pg_ctl -D ${DATA} -m ${mode} -w stop`);
  }

  async destroy(): Promise<void> {
    this.#destroyed ??= this.#container.stop({ timeout: 0 });
    await this.#destroyed;
  }

  async #run(command: string): Promise<void> {
    const done = await this.#container.exec(["sh", "-c", command], { user: "postgres" });
    if (done.exitCode !== 0) throw new Error(`in the Postgres container: ${done.output}`);
  }
}

function daemonAddress(): NetConnectOpts | undefined {
  const host = process.env["DOCKER_HOST"] ?? "unix:///var/run/docker.sock";
  const url = new URL(host);
  if (url.protocol === "unix:")
    return existsSync(url.pathname) ? { path: url.pathname } : undefined;
  return { host: url.hostname, port: Number(url.port === "" ? 2375 : url.port) };
}
