// jsmodbus_plc.js PORT LINGER_MS: the PLC of plc.js served by jsmodbus.
"use strict";

const net = require("net");
const modbus = require("jsmodbus");
const { Plc } = require("./plc.js");

const holding = Buffer.alloc(264);
const listener = new net.Server();
new modbus.server.TCP(listener, { holding });
const plc = new Plc(holding);
listener.listen(Number(process.argv[2]), "127.0.0.1", () => {
  console.log(JSON.stringify({ listening: true }));
  plc.run(Number(process.argv[3]));
});
