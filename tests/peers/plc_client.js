// plc_client.js LIBRARY PORT LINGER_MS: the PLC of plc.js as a client of the agent's Modbus TCP server.
//
// Each scan it writes words 0 to 31 and reads words 32 to 131, with modbus-serial or jsmodbus. Before it ends it
// prints the status bits as discrete inputs and the control bits as coils.
"use strict";

const net = require("net");
const ModbusSerial = require("modbus-serial");
const jsmodbus = require("jsmodbus");
const { Plc } = require("./plc.js");

const PLC_WORDS = 32;
const VISION_WORDS = 100;
const BITS = 16;
const PAUSE_MS = 5;
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function withModbusSerial(port) {
  const client = new ModbusSerial();
  await client.connectTCP("127.0.0.1", { port });
  client.setID(1);
  client.setTimeout(2000);
  return {
    write: (bytes) => client.writeRegisters(0, bytes),
    read: async () => (await client.readHoldingRegisters(PLC_WORDS, VISION_WORDS)).buffer,
    inputs: async () => (await client.readDiscreteInputs(0, BITS)).data.slice(0, BITS),
    coils: async () => (await client.readCoils(0, BITS)).data.slice(0, BITS),
  };
}

async function withJsmodbus(port) {
  const socket = new net.Socket();
  const client = new jsmodbus.client.TCP(socket, 1, 2000);
  await new Promise((resolve, reject) => {
    socket.once("error", reject);
    socket.connect({ host: "127.0.0.1", port }, resolve);
  });
  const bits = (answer) => answer.response.body.valuesAsArray.slice(0, BITS).map(Boolean);
  return {
    write: (bytes) => client.writeMultipleRegisters(0, bytes),
    read: async () =>
      (await client.readHoldingRegisters(PLC_WORDS, VISION_WORDS)).response.body.valuesAsBuffer,
    inputs: async () => bits(await client.readDiscreteInputs(0, BITS)),
    coils: async () => bits(await client.readCoils(0, BITS)),
  };
}

async function connected(connect, port) {
  for (;;) {
    try {
      return await connect(port);
    } catch {
      await pause(100); // the agent does not listen yet
    }
  }
}

async function main() {
  const [library, port, lingerMs] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
  console.log(JSON.stringify({ listening: true }));
  const agent = await connected(library === "jsmodbus" ? withJsmodbus : withModbusSerial, port);
  const memory = Buffer.alloc(264);
  const plc = new Plc(memory);
  let more = true;
  let until = 0;
  while (more || Date.now() < until) {
    if (more && !plc.scan()) {
      more = false;
      until = Date.now() + lingerMs;
    }
    if (!more) plc.beat();
    await agent.write(memory.subarray(0, 2 * PLC_WORDS));
    (await agent.read()).copy(memory, 2 * PLC_WORDS);
    await pause(PAUSE_MS);
  }
  const bits = { inputs: await agent.inputs(), coils: await agent.coils(), status: memory.readUInt16BE(66) };
  console.log(JSON.stringify(bits));
  process.exit(0);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
