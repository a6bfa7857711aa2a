#!/bin/sh
# Installs ingest as systemd services. May be run again at any time: what is there already is left as it is.
set -eu
umask 022

usage() {
    cat <<'END'
usage: install.sh [--instance NAME]… [--extra NAME]… [--wheel FILE] [--python PYTHON] [--prefix DIR] [--dry-run]
       install.sh --uninstall [--prefix DIR] [--dry-run]

Makes a virtual environment for this version below /opt/ingest/versions, points /opt/ingest/current at it, and installs
the command /usr/local/bin/ingest, the units and /etc/ingest/example.toml. Starts and restarts nothing.

  --instance NAME   also prepare /etc/ingest/NAME.toml, if it is not there yet, and the folder /etc/ingest/NAME for its
                    secrets; may be repeated
  --extra NAME      also install the packages of this extra of pyproject.toml, such as uamqp; may be repeated; later
                    runs keep it
  --wheel FILE      install this wheel instead of the checkout that this script lies in
  --python PYTHON   the interpreter to build on: 3.11, 3.12, 3.13 or 3.14 (default: the first that is found)
  --prefix DIR      everything below DIR, units included; systemd is not told
  --dry-run         say what would be done, and do nothing
  --uninstall       stop and remove the services and the program; /etc/ingest and /var/lib/ingest stay

pip heeds its own variables: PIP_INDEX_URL, or PIP_NO_INDEX=1 with PIP_FIND_LINKS=FOLDER for a machine without network.
END
}

fail() {
    printf 'install.sh: %s\n' "$1" >&2
    exit "${2:-1}"
}

say() {
    printf '%s\n' "$*"
}

run() {
    if [ "$dry_run" ]; then
        say "would run: $*"
    else
        "$@"
    fi
}

# put FILE TARGET: a copy with mode 0644, in which the paths have the prefix; silent when it is there already.
put() {
    text=$(mktemp)
    sed -e "s#/opt/ingest#$prefix/opt/ingest#g" -e "s#/etc/ingest#$prefix/etc/ingest#g" "$1" >"$text"
    if ! cmp -s "$text" "$2"; then
        if [ "$dry_run" ]; then
            say "would write: $2"
        else
            install -m 0644 "$text" "$2"
            say "written: $2"
        fi
    fi
    rm -f "$text"
}

# point LINK TARGET: replaces the link in one step, so that there is always one.
point() {
    if [ "$(readlink "$1" || true)" != "$2" ]; then
        run ln -sfn "$2" "$1.new"
        run mv -T "$1.new" "$1"
        [ "$dry_run" ] || say "linked: $1 -> $2"
    fi
}

folder() {
    [ -d "$2" ] || run install -d -m "$1" "$2"
}

# Whether systemd runs this machine and is to be told.
live() {
    [ -z "$prefix" ] && [ -d /run/systemd/system ]
}

find_python() {
    for candidate in ${python:-python3 python3.14 python3.13 python3.12 python3.11}; do
        if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null; then
            "$candidate" -c 'import ensurepip' 2>/dev/null ||
                fail "$candidate cannot make virtual environments; on Debian: apt-get install python3-venv"
            command -v "$candidate"
            return
        fi
    done
    fail "this needs Python 3.11, 3.12, 3.13 or 3.14, and ${python:-python3} is not; name one: --python /usr/bin/python3.12"
}

# Version and a digest of the content and the extras, so that every change has a folder of its own and a repeat has none.
version() {
    if [ "$wheel" ]; then
        number=$(basename "$wheel" | cut -d- -f2)
        digest=$(sha256sum <"$wheel")
    else
        number=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' "$checkout/ingest/__init__.py")
        digest=$(cd "$checkout" && find ingest setup.py -name '*.py' -o -name '*.p[yx][xd]' | LC_ALL=C sort |
            xargs cat pyproject.toml | sha256sum)
    fi
    [ ! "$extras" ] || digest=$(say "$digest $extras" | sha256sum)
    say "$number-$(say "$digest" | cut -c1-8)"
}

make_environment() {
    [ ! -e "$home/.complete" ] || return 0
    chosen=$(find_python)
    say "Making the virtual environment $home (about a minute)."
    run rm -rf "$home"
    run "$chosen" -m venv "$home"
    if [ "$wheel" ]; then
        source=$wheel
    else
        # pip builds in place: in a copy, so that the checkout stays clean.
        source=$(mktemp -d)
        trap 'rm -rf "$source"' EXIT
        (cd "$checkout" && cp -R ingest setup.py MANIFEST.in pyproject.toml README.md LICENSE "$source")
    fi
    run "$home/bin/python" -m pip install --quiet --disable-pip-version-check "$source${extras:+[$extras]}"
    run "$home/bin/ingest" --version -v
    [ "$dry_run" ] || "$home/bin/ingest" --version -v | grep -q 'compiled core\.$' || say "\
For the compiled one, run \`make wheel\` in a checkout on a machine of this kind with a C compiler and Python's headers, and
install that: install.sh --wheel FILE. Or install these here (on Debian: gcc and python3-dev), make the wheel here, too."
    run install -D -m 0644 "$here/README.md" "$home/share/doc/ingest/README.md"
    [ ! "$extras" ] || [ "$dry_run" ] || say "$extras" >"$home/.extras"
    run touch "$home/.complete"
}

prepare_instance() {
    [ -e "$prefix/etc/ingest/$1.toml" ] || put "$here/example.toml" "$prefix/etc/ingest/$1.toml"
    folder 0700 "$prefix/etc/ingest/$1"
}

do_install() {
    [ "$extras" ] || extras=$(cat "$prefix/opt/ingest/current/.extras" 2>/dev/null || true)
    home=$prefix/opt/ingest/versions/$(version)
    folder 0755 "$prefix/opt/ingest/versions"
    make_environment
    before=$(readlink "$prefix/opt/ingest/current" || true)
    point "$prefix/opt/ingest/current" "versions/${home##*/}"
    folder 0755 "$prefix/usr/local/bin"
    point "$prefix/usr/local/bin/ingest" "$prefix/opt/ingest/current/bin/ingest"
    folder 0755 "$units"
    first=''
    [ -e "$units/ingest.target" ] || first=yes
    for unit in "$here"/*.service "$here"/*.slice "$here"/*.target "$here"/*.timer; do
        put "$unit" "$units/${unit##*/}"
    done
    folder 0755 "$prefix/etc/ingest"
    put "$here/example.toml" "$prefix/etc/ingest/example.toml"
    for instance in $instances; do
        prepare_instance "$instance"
    done
    if live; then
        run systemctl daemon-reload
        [ ! "$first" ] || run systemctl enable --quiet ingest.target
    fi
    if [ "$before" ] && [ "$before" != "versions/${home##*/}" ]; then
        say "What runs still is ${before#versions/}. To change over: systemctl restart 'ingest*@*'"
        say "To go back: ln -sfn $before $prefix/opt/ingest/current, and restart."
    fi
}

do_uninstall() {
    if live; then
        for link in /etc/systemd/system/ingest.target.wants/*.service /etc/systemd/system/timers.target.wants/ingest-audit@*.timer; do
            [ ! -L "$link" ] || run systemctl disable "${link##*/}"
        done
        [ ! -e "$units/ingest.target" ] || run systemctl disable ingest.target
        run systemctl stop 'ingest-audit@*.timer' 'ingest-audit@*' 'ingest@*' 'ingest-source@*' 'ingest-sink@*' ingest.target ingest.slice
    fi
    for unit in "$here"/*.service "$here"/*.slice "$here"/*.target "$here"/*.timer; do
        [ ! -e "$units/${unit##*/}" ] || run rm "$units/${unit##*/}"
    done
    [ ! -L "$prefix/usr/local/bin/ingest" ] || run rm "$prefix/usr/local/bin/ingest"
    [ ! -e "$prefix/opt/ingest" ] || run rm -rf "$prefix/opt/ingest"
    [ ! -e "$prefix/etc/ingest/example.toml" ] || run rm "$prefix/etc/ingest/example.toml"
    if live; then
        run systemctl daemon-reload
    fi
    say "Left for you to remove: $prefix/etc/ingest (configuration and secrets), $prefix/var/lib/ingest (checkpoints)."
}

here=$(cd "$(dirname "$0")" && pwd)
checkout=$(dirname "$here")
prefix='' wheel='' python='' dry_run='' instances='' extras='' verb=install
while [ $# -gt 0 ]; do
    case $1 in
    --prefix | --wheel | --python | --instance | --extra)
        [ $# -ge 2 ] && [ "$2" ] || fail "$1 needs a value; see --help" 2
        case $1 in
        --prefix) prefix=${2%/} ;;
        --wheel) wheel=$2 ;;
        --python) python=$2 ;;
        --instance) instances="$instances $2" ;;
        --extra) extras="${extras:+$extras,}$2" ;;
        esac
        shift
        ;;
    --dry-run) dry_run=yes ;;
    --uninstall) verb=uninstall ;;
    -h | --help)
        usage
        exit 0
        ;;
    *) fail "unknown argument $1; see --help" 2 ;;
    esac
    shift
done
case $prefix in
*[!A-Za-z0-9/._+-]*) fail "--prefix $prefix: only letters, digits and / . _ + - can be written into units" 2 ;;
'' | /*) ;;
*) fail "--prefix $prefix: give an absolute path" 2 ;;
esac
for instance in $instances; do
    case $instance in
    example | [.-]* | *[!A-Za-z0-9_.-]*) fail "--instance $instance: give a name of letters, digits, _ . and -" 2 ;;
    esac
done
case $extras in
*[!a-z0-9,]*) fail "--extra $extras: give the name of an extra, such as uamqp" 2 ;;
esac
if [ "$wheel" ]; then
    [ -f "$wheel" ] || fail "--wheel $wheel: there is no such file" 2
    wheel=$(cd "$(dirname "$wheel")" && pwd)/${wheel##*/}
elif [ $verb = install ] && ! [ -f "$checkout/pyproject.toml" ]; then
    fail "$here is not in a checkout of ingest; name a wheel: --wheel FILE" 2
fi
[ "$dry_run" ] || [ "$prefix" ] || [ "$(id -u)" = 0 ] || fail 'only root can do this; try sudo, --dry-run, or --prefix DIR'
units=$prefix/usr/local/lib/systemd/system
do_$verb
