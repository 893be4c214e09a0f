// modbus_serial_plc.js PORT LINGER_MS: the PLC of plc.js served by modbus-serial.
"use strict";

const { ServerTCP } = require("modbus-serial");
const { Plc } = require("./plc.js");

const memory = Buffer.alloc(264);
const vector = {
  getHoldingRegister: (address) => memory.readUInt16BE(2 * address),
  setRegister: (address, value) => memory.writeUInt16BE(value, 2 * address),
};
const plc = new Plc(memory);
const server = new ServerTCP(vector, { host: "127.0.0.1", port: Number(process.argv[2]), unitID: 1 });
server.on("initialized", () => {
  console.log(JSON.stringify({ listening: true }));
  plc.run(Number(process.argv[3]));
});
