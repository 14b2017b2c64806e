#!/bin/sh
# Makes sure that the programs named on the command line are there, each by the Debian packages that hold it.
#
#   scripts/system-packages.sh sshd chromium nft ip tc
#
# As root on Debian or a relative it installs what is missing (one `apt-get update`, one install);
# anywhere else it says in one sentence what is missing, and fails.
set -eu

PATH="$PATH:/usr/sbin:/sbin" # where Debian keeps sshd, nft, ip and tc; not on every user's PATH

missing() { # PROGRAM: true if no program on this machine does its job
    case $1 in
        venv) ! "${PYTHON:-python3}" -c 'import ensurepip, venv' 2>/dev/null ;;
        chromium) ! { command -v chromium || command -v chromium-browser || command -v google-chrome; } >/dev/null ;;
        *) ! command -v "$1" >/dev/null ;;
    esac
}

packages() { # PROGRAM: the Debian packages that bring it
    case $1 in
        sshd) echo openssh-server ;;
        ssh) echo openssh-client ;;
        chromium) echo chromium fonts-liberation ;; # without a font a page's text has no size
        chromedriver) echo chromium-driver ;;
        WebKitWebDriver) echo webkit2gtk-driver ;;
        Xvfb) echo xvfb ;;
        nft) echo nftables ;;
        ip | tc) echo iproute2 ;;
        venv) echo python3-venv ;;
        krb5kdc) echo krb5-kdc ;;
        kadmin.local) echo krb5-admin-server ;;
        kinit) echo krb5-user ;;
        krb5-config) echo libkrb5-dev ;; # its headers: the extra gssapi is built by them
        *) echo "$1" ;;
    esac
}

names='' wanted=''
for program in "$@"; do
    if missing "$program"; then
        names="$names $program"
        for package in $(packages "$program"); do
            case " $wanted " in *" $package "*) ;; *) wanted="$wanted $package" ;; esac
        done
    fi
done
[ -n "$wanted" ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing$wanted" >&2
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    # A package's own service would start here (sshd on port 22): the tests run their own, so none may.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e $policy ]; then
        trap 'rm -f $policy' EXIT
        printf '#!/bin/sh\nexit 101\n' >$policy
        chmod 755 $policy
    fi
    # shellcheck disable=SC2086  # a list of words on purpose
    apt-get install -y -qq --no-install-recommends $wanted >&2
else
    echo "Missing on this machine:$names; install them first (on Debian: sudo apt-get install$wanted)." >&2
    exit 1
fi
