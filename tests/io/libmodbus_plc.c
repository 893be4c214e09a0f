/* A PLC on libmodbus, for tests: a Modbus TCP server that nobody of this project wrote.
 *
 *   libmodbus_plc PORT PARTS INTERVAL_MS
 *
 * Once the agent shows Online it issues one TRIG_ID after another and prints, for each id, the verdict that it
 * finds in the ring, one line `id verdict reason score check real`: score in thousandths of the threshold, check
 * 1 if the CRC over the slot, the epoch and the recipe is right, real the raw score of the last verdict (REAL in
 * words 42 and 43). SERIAL is `SN-` and the id, LOT a text of all its 16 characters. Ends 2 s after the last id.
 */
#include <modbus/modbus.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/select.h>
#include <time.h>

enum { WORDS = 132, EPOCH = 4711, RECIPE = 1, REAL = 42, RING = 52, SLOTS = 16, FIRST_ID = 100 };

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static uint16_t crc16(const uint16_t *words, int count)
{
    uint16_t crc = 0xFFFF;
    for (int i = 0; i < 2 * count; i++) {
        crc ^= i % 2 ? words[i / 2] & 0xFF : words[i / 2] >> 8;
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? (crc >> 1) ^ 0xA001 : crc >> 1;
    }
    return crc;
}

/* Prints the slot of an id if it holds it; returns whether it does. */
static int print_verdict(const uint16_t *words, uint16_t id)
{
    const uint16_t *slot = words + RING + 5 * (id % SLOTS);
    if (slot[0] != id)
        return 0;
    const uint16_t checked[6] = {slot[0], slot[1], slot[2], slot[3], EPOCH, RECIPE};
    printf("%d %d %d %d %d %.9g\n", id, slot[1] >> 8, slot[1] & 0xFF, slot[2], crc16(checked, 6) == slot[4],
           modbus_get_float_abcd(words + REAL));
    fflush(stdout);
    return 1;
}

/* Two characters a word, the first in its high byte, zeros behind. */
static void put_text(uint16_t *words, const char *text)
{
    char bytes[17] = {0};
    snprintf(bytes, sizeof bytes, "%s", text);
    for (int i = 0; i < 8; i++)
        words[i] = (uint8_t)bytes[2 * i] << 8 | (uint8_t)bytes[2 * i + 1];
}

/* A new id with its own encoder position and serial number. */
static void issue(uint16_t *words, uint16_t id)
{
    char serial[17];
    snprintf(serial, sizeof serial, "SN-%u", id);
    put_text(words + 12, serial);
    put_text(words + 20, "LOT 2026-11 #007");
    MODBUS_SET_INT32_TO_INT16(words, 4, 0x7FFF0000 + id);
    words[2] = words[31] = id;
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    const int parts = atoi(argv[2]);
    const double interval_ms = atof(argv[3]);
    modbus_t *modbus = modbus_new_tcp("127.0.0.1", atoi(argv[1]));
    modbus_mapping_t *map = modbus_mapping_new(0, 0, WORDS, 0);
    if (modbus == NULL || map == NULL)
        return 1;
    int listener = modbus_tcp_listen(modbus, 1);
    if (listener < 0)
        return 1;
    uint16_t *words = map->tab_registers;
    uint8_t *done = calloc(parts + 1, 1);
    words[0] = 1;                    /* HEARTBEAT */
    words[1] = 1;                    /* CONTROL: TriggerEnable */
    issue(words, FIRST_ID);          /* this first one belongs to no part */
    words[3] = RECIPE;
    words[7] = 1; /* VERSION */
    words[8] = EPOCH;
    double beat = now_ms(), next = 0, end = 0;
    int issued = 0, client = -1;
    while (end == 0 || now_ms() < end) {
        fd_set ready;
        struct timeval wait = {0, 2000};
        FD_ZERO(&ready);
        FD_SET(client < 0 ? listener : client, &ready);
        if (select((client < 0 ? listener : client) + 1, &ready, NULL, NULL, &wait) > 0) {
            if (client < 0) {
                client = modbus_tcp_accept(modbus, &listener);
            } else {
                uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
                int length = modbus_receive(modbus, query);
                if (length > 0)
                    modbus_reply(modbus, query, length, map);
                else if (length < 0) {
                    modbus_close(modbus);
                    client = -1;
                }
            }
        }
        double now = now_ms();
        if (now - beat >= 100) {
            beat = now;
            words[0] = words[0] == 65535 ? 1 : words[0] + 1;
        }
        int online = (words[33] & 3) == 3 && words[49] == EPOCH; /* Online, TriggerReady, epoch echoed */
        if (online && next == 0)
            next = now + 500;
        if (next > 0 && issued < parts && now >= next) {
            issued++;
            next += interval_ms;
            issue(words, FIRST_ID + issued);
            if (issued == parts)
                end = now + 2000;
        }
        for (int part = issued > SLOTS - 2 ? issued - SLOTS + 2 : 1; part <= issued; part++)
            if (!done[part])
                done[part] = print_verdict(words, FIRST_ID + part);
    }
    free(done);
    modbus_mapping_free(map);
    modbus_free(modbus);
    return 0;
}
