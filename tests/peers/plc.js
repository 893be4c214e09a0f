// A PLC's program for tests: counts parts through the wrap of their ids and prints what it finds for each.
//
// The words lie in `memory` (264 bytes, big-endian) as the library that serves them sees them. One JSON line
// for each part, with every value decoded by Node's own functions.
"use strict";

const EPOCH = 4711;
const RECIPE = 3;
const FIRST_ID = 65533; // belongs to no part; the parts are 65534, 65535, 1 and 2
const PARTS = 4;
const SCAN_MS = 10;
const INTERVAL_MS = 150;
const RING = 52;
const SLOTS = 16;
const ONLINE = 1;
const ENCODER = 0xdeadbee0;
const SERIAL = "SN-0042/A";
const LOT = "LOT 2026-11 #007"; // all of its 16 characters

function word(memory, number) {
  return memory.readUInt16BE(2 * number);
}

function crc16(bytes) {
  let crc = 0xffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >> 1) ^ 0xa001 : crc >> 1;
  }
  return crc;
}

function verdictOf(memory, id) {
  const slot = RING + 5 * (id % SLOTS);
  if (word(memory, slot) !== id) return null;
  const checked = Buffer.alloc(12);
  memory.copy(checked, 0, 2 * slot, 2 * slot + 8);
  checked.writeUInt16BE(EPOCH, 8);
  checked.writeUInt16BE(RECIPE, 10);
  return {
    id,
    verdict: word(memory, slot + 1) >> 8,
    reason: word(memory, slot + 1) & 0xff,
    a: word(memory, slot + 2),
    b: word(memory, slot + 3),
    check: crc16(checked) === word(memory, slot + 4),
    last_id: word(memory, 38),
    last_verdict: word(memory, 39),
    last_score: word(memory, 41),
    score: memory.readFloatBE(2 * 42),
    same_sequence: word(memory, 37) === word(memory, 47),
    station: word(memory, 51),
    version: word(memory, 48),
  };
}

class Plc {
  constructor(memory) {
    this.memory = memory;
    this.id = FIRST_ID;
    this.beatAt = 0;
    this.nextAt = 0;
    this.issued = 0;
    this.waiting = [];
    memory.fill(0);
    memory.writeUInt16BE(1, 2 * 1); // CONTROL: TriggerEnable
    memory.writeUInt16BE(RECIPE, 2 * 3);
    memory.writeUInt16BE(1, 2 * 7); // VERSION
    memory.writeUInt16BE(EPOCH, 2 * 8);
    memory.write(SERIAL, 2 * 12, "ascii");
    memory.write(LOT, 2 * 20, "ascii");
    this.writeId();
  }

  writeId() {
    this.memory.writeUInt16BE(this.id, 2 * 2);
    this.memory.writeUInt32BE((ENCODER + this.issued) >>> 0, 2 * 4);
    this.memory.writeUInt32BE((ENCODER + 100 * this.issued) >>> 0, 2 * 10);
    this.memory.writeUInt16BE(this.id, 2 * 31);
  }

  beat() {
    const now = Date.now();
    if (now - this.beatAt < 100) return;
    this.beatAt = now;
    const beat = word(this.memory, 0);
    this.memory.writeUInt16BE(beat === 65535 ? 1 : beat + 1, 0);
  }

  // Returns false once every part has its verdict.
  scan() {
    const now = Date.now();
    this.beat();
    const ready = (word(this.memory, 33) & ONLINE) !== 0 && word(this.memory, 49) === EPOCH;
    if (ready && this.nextAt === 0) this.nextAt = now + 2 * INTERVAL_MS;
    if (this.nextAt > 0 && now >= this.nextAt && this.issued < PARTS && this.waiting.length === 0) {
      this.nextAt = now + INTERVAL_MS;
      this.issued += 1;
      this.id = this.id === 65535 ? 1 : this.id + 1;
      this.waiting.push(this.id);
      this.writeId();
    }
    this.waiting = this.waiting.filter((id) => {
      const found = verdictOf(this.memory, id);
      if (found !== null) console.log(JSON.stringify(found));
      return found === null;
    });
    return this.issued < PARTS || this.waiting.length > 0;
  }

  // Runs to the last verdict and a while longer, so that others can read what stands there; then ends.
  run(lingerMs) {
    const timer = setInterval(() => {
      if (this.scan()) return;
      clearInterval(timer);
      setInterval(() => this.beat(), SCAN_MS);
      setTimeout(() => process.exit(0), lingerMs);
    }, SCAN_MS);
  }
}

module.exports = { Plc, EPOCH, RECIPE };
