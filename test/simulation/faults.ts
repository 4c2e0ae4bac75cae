/** What can go wrong between any two steps, each with its weight. */
import { allChannels, ruleSets } from "./shop.js";
import type { World } from "./world.js";

interface Fault {
  readonly weight: number;
  readonly name: string;
  readonly strike: (world: World) => void;
}

export const faults: readonly Fault[] = [
  {
    ...{ weight: 8, name: "the source session fails" },
    strike: ({ writer }) => {
      if (writer !== undefined) writer.failsSource = true;
    },
  },
  {
    ...{ weight: 8, name: "the source connection is cut" },
    strike: ({ shop }) => {
      shop.source.cut();
    },
  },
  {
    ...{ weight: 3, name: "the source loses its history" },
    strike: ({ shop }) => {
      shop.forget();
    },
  },
  {
    ...{ weight: 8, name: "the writer is killed" },
    strike: (world) => {
      world.restartWriter();
    },
  },
  {
    ...{ weight: 3, name: "a flush fails before the disk has it" },
    strike: ({ writer }) => {
      if (writer !== undefined) writer.failsFlush = "before";
    },
  },
  {
    ...{ weight: 3, name: "a flush fails after the disk has it" },
    strike: ({ writer }) => {
      if (writer !== undefined) writer.failsFlush = "after";
    },
  },
  {
    ...{ weight: 4, name: "the disk is slow" },
    strike: ({ writer, random, scheduler }) => {
      if (writer === undefined) return;
      writer.flushDelayMs = random.below(100);
      scheduler.after(200, () => {
        writer.flushDelayMs = 0;
      });
    },
  },
  {
    ...{ weight: 2, name: "the journal is backed up" },
    strike: (world) => {
      world.backUp();
    },
  },
  {
    ...{ weight: 2, name: "the journal is restored" },
    strike: (world) => {
      world.restore();
    },
  },
  {
    ...{ weight: 4, name: "retention" },
    strike: ({ writer, checkers, gateways, disk }) => {
      // A real reader that finds something trimmed reads as of the trimming at least.
      if (gateways.some((gateway) => gateway?.reader.notice.log !== disk.log)) return;
      writer?.journal.retain().catch((error: unknown) => {
        checkers.violated("retention", String(error));
      });
    },
  },
  {
    ...{ weight: 4, name: "the rules change" },
    strike: (world) => {
      const set = world.random.pick(ruleSets);
      if (set !== undefined && world.writer !== undefined) world.changeRules(set);
    },
  },
  {
    ...{ weight: 5, name: "a gateway is killed" },
    strike: (world) => {
      const at = world.random.below(world.gateways.length);
      if (world.gateways[at] === undefined) return;
      world.killGateway(at);
      world.scheduler.after(world.soon(), () => {
        if (world.gateways[at] === undefined) world.startGateway(at);
      });
    },
  },
  {
    ...{ weight: 10, name: "a connection is cut" },
    strike: ({ network, random }) => {
      random.pick([...network.connections])?.cut();
    },
  },
  {
    ...{ weight: 3, name: "a connection dies without a word" },
    strike: ({ network, random }) => {
      random.pick([...network.connections])?.die();
    },
  },
  {
    ...{ weight: 8, name: "a device reads slowly" },
    strike: ({ network, random, scheduler }) => {
      const connection = random.pick([...network.connections]);
      connection?.slow(20 + random.below(60));
      scheduler.after(random.below(1_500), () => {
        connection?.slow(0);
      });
    },
  },
  {
    ...{ weight: 8, name: "a device is killed" },
    strike: ({ devices, random, scheduler }) => {
      const device = random.pick(devices);
      if (device?.sync === undefined) return;
      device.kill();
      scheduler.after(random.below(60), () => {
        if (device.sync === undefined) device.start();
      });
    },
  },
  {
    ...{ weight: 4, name: "a store fails" },
    strike: ({ devices, random }) => {
      const device = random.pick(devices);
      if (device !== undefined) device.failsStore = true;
    },
  },
  {
    ...{ weight: 6, name: "a device changes its channels" },
    strike: ({ devices, random }) => {
      const device = random.pick(devices);
      const channel = random.pick(allChannels);
      if (device === undefined || channel === undefined) return;
      if (device.channels.has(channel)) device.detach(channel);
      else device.attach(channel);
    },
  },
];

/** One of them; of those that are named, if any are. */
export function strike(world: World, names?: readonly string[]): void {
  const among = faults.filter(({ name }) => names === undefined || names.includes(name));
  let draw = world.random.below(among.reduce((sum, { weight }) => sum + weight, 0));
  for (const { weight, name, strike: run } of among) {
    draw -= weight;
    if (draw >= 0) continue;
    world.tell(name);
    run(world);
    return;
  }
}
