#!/bin/sh
# Installs the Debian packages that are missing: `venv` for environments (always needed), `all` for the tests
# as well. Without the right to install it says what to type; tests that lack a package then skip by name.
set -u
python=${PYTHON:-python3}
missing=""
want() { # package, command or file that shows that it is there
    case $2 in
        /*) [ -e "$2" ] || missing="$missing $1" ;;
        *) command -v "$2" >/dev/null || missing="$missing $1" ;;
    esac
}
if ! "$python" -c "import ensurepip, venv" 2>/dev/null; then
    missing=" python3-venv"
fi
if [ "${1:-venv}" = all ]; then
    want gcc gcc
    want libc6-dev /usr/include/stdio.h
    want libmodbus-dev /usr/include/modbus/modbus.h
    want mosquitto /usr/sbin/mosquitto
    want systemd systemd-analyze
    want mbpoll mbpoll
fi
[ -z "$missing" ] && exit 0
sudo=$([ "$(id -u)" = 0 ] || echo "sudo -n")
echo "installing$missing"
# shellcheck disable=SC2086  the words are meant to be split
if $sudo apt-get update -q && $sudo apt-get install -y -q --no-install-recommends $missing; then
    exit 0
fi
echo "could not install$missing; type: sudo apt-get install$missing" >&2
[ "${1:-venv}" = all ] # only an environment cannot be done without
