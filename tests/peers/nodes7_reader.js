// nodes7_reader.js PORT DATA_BLOCK: reads the image out of an S7 PLC with nodes7 and prints it as JSON.
"use strict";

const NodeS7 = require("nodes7");

const [port, block] = process.argv.slice(2).map(Number);
const at = (type, number) => `DB${block},${type}${2 * number}`;
const items = {
  trig_id: at("WORD", 2),
  encoder: at("DWORD", 4),
  serial: `${at("C", 12)}.16`,
  lot: `${at("C", 20)}.16`,
  online: `DB${block},X${2 * 33 + 1}.0`, // bit 0 of a word is in its second byte
  last_id: at("WORD", 38),
  last_verdict: at("WORD", 39),
  last_score: at("WORD", 41),
  score: at("REAL", 42),
  ring: `${at("WORD", 52)}.80`,
};
const connection = new NodeS7({ silent: true });
connection.initiateConnection({ port, host: "127.0.0.1", rack: 0, slot: 1 }, (error) => {
  if (error !== undefined) throw error;
  connection.setTranslationCB((name) => items[name]);
  connection.addItems(Object.keys(items));
  connection.readAllItems((bad, values) => {
    if (bad) throw new Error(`bad values: ${JSON.stringify(values)}`);
    console.log(JSON.stringify(values));
    process.exit(0);
  });
});
