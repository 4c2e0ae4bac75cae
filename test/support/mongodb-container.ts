/**
 * A replica set of one member in a container, where a Docker daemon answers. The container's first process
 * only sleeps, so that the server inside can be stopped and started with its data and its port kept.
 */
import type { StartedTestContainer } from "testcontainers";
import { memberFlags, SET_NAME, untilMemberAnswers, withMember } from "./mongodb-machine.js";
import type { MemberStopMode, MongoMachine, MongoMember } from "./mongodb-machine.js";

const IMAGE = "mongo:8.0";
const DATA = "/tmp/changecast-data";
const PORT = 27017;

export async function startContainerSet(
  parameters: Readonly<Record<string, string>>,
): Promise<MongoMachine> {
  const { GenericContainer, Wait } = await import("testcontainers");
  const container = await new GenericContainer(IMAGE)
    .withEntrypoint(["sleep", "infinity"])
    .withExposedPorts(PORT)
    .withWaitStrategy(Wait.forSuccessfulCommand("true"))
    .start();
  const member = new MemberContainer(container, parameters);
  let destroyed: Promise<unknown> | undefined;
  const destroy = async (): Promise<void> => {
    destroyed ??= container.stop({ timeout: 0 });
    await destroyed;
  };
  try {
    await member.start();
    // Under the address that it has inside: clients from here connect directly.
    const members = [{ _id: 0, host: `127.0.0.1:${String(PORT)}` }];
    await withMember(member.url, (client) =>
      client.db("admin").command({ replSetInitiate: { _id: SET_NAME, members } }),
    );
    return { url: member.url, members: [member], destroy };
  } catch (error) {
    await destroy();
    throw error;
  }
}

class MemberContainer implements MongoMember {
  readonly host: string;
  readonly port: number;
  readonly url: string;
  readonly #container: StartedTestContainer;
  readonly #flags: readonly string[];

  constructor(container: StartedTestContainer, parameters: Readonly<Record<string, string>>) {
    this.host = container.getHost();
    this.port = container.getMappedPort(PORT);
    this.url = `mongodb://${this.host}:${String(this.port)}/?directConnection=true`;
    this.#container = container;
    this.#flags = memberFlags(parameters);
  }

  pid(): undefined {
    return undefined;
  }

  async start(): Promise<void> {
    const place = `--dbpath ${DATA} --port ${String(PORT)} --bind_ip_all`;
    const fork = "--fork --logpath /tmp/log --pidfilepath /tmp/pid";
    await this.#run(`mkdir -p ${DATA} && mongod ${place} ${fork} ${this.#flags.join(" ")}`);
    await untilMemberAnswers(this.url, () => undefined);
  }

  async stop(mode: MemberStopMode): Promise<void> {
    const signal = mode === "kill" ? "KILL" : "TERM";
    await this.#run(
      `kill -${signal} $(cat /tmp/pid); while kill -0 $(cat /tmp/pid) 2>/dev/null; do sleep 0.05; done`,
    );
  }

  async #run(command: string): Promise<void> {
    const done = await this.#container.exec(["sh", "-c", command]);
    if (done.exitCode !== 0) throw new Error(`in the MongoDB container: ${done.output}`);
  }
}
