# shellcheck shell=bash
# Database servers that this Debian does not package: unpacked from newer Debian suites, together
# with every library down to libc, into a cache that all checkouts share. Nothing is installed, no
# chroot and no root is needed: each server's programs are told where their own libc is. Sourced by
# scripts/sandbox after lib.sh.
#
# The cache is $XA_TM_SERVER_CACHE, by default /var/cache/xa_tm/servers for root and
# ~/.cache/xa_tm/servers for others, who also use what root has cached. The suites move on, so a
# server stays at the version with which it was cached until somebody deletes its folder:
#   CACHE/RECIPE/NAME/usr/       what the packages hold
#   CACHE/RECIPE/NAME/packages   their names and versions; complete folders only have a name

# To be raised when a cached server has to be made anew, since older ones lack something.
readonly server_recipe=1
readonly system_server_cache=/var/cache/xa_tm/servers
readonly server_cache_lock_limit_s=600

# shellcheck disable=SC2034 # read by scripts/sandbox
readonly newer_servers=(mysql-9.7 mariadb-11.8 postgres-18)

# Sets `suite`; `packages`, the first of which is the server; and `programs`, those to be run.
select_newer_server() {
    case $1 in
    mysql-9.7)
        suite=sid packages=(mysql-server-core)
        programs=(usr/sbin/mysqld)
        ;;
    mariadb-11.8)
        # The clients' package has a program that the set-up script calls.
        suite=trixie packages=(mariadb-server-core mariadb-client-core)
        programs=(usr/sbin/mariadbd usr/bin/my_print_defaults usr/bin/resolveip)
        ;;
    mysqlclient-9.7)
        # No server, but MySQL's client library with its headers.
        suite=sid packages=(libmysqlclient-dev) programs=()
        ;;
    postgres-18)
        suite=sid packages=(postgresql-18)
        programs=(usr/lib/postgresql/18/bin/postgres usr/lib/postgresql/18/bin/initdb)
        ;;
    esac
}

server_cache() {
    if [[ -n ${XA_TM_SERVER_CACHE-} ]]; then
        realpath -m "$XA_TM_SERVER_CACHE/$server_recipe"
    elif ((EUID == 0)); then
        echo "$system_server_cache/$server_recipe"
    else
        realpath -m "${XDG_CACHE_HOME:-$HOME/.cache}/xa_tm/servers/$server_recipe"
    fi
}

# The folder of a cached server; fails when it is in no cache.
cached_server() {
    local folder
    for folder in "$(server_cache)/$1" "$system_server_cache/$server_recipe/$1"; do
        if [[ -n ${XA_TM_SERVER_CACHE-} && $folder != "$(server_cache)"/* ]]; then
            return 1
        elif [[ -e $folder/packages ]]; then
            echo "$folder"
            return
        fi
    done
    return 1
}

# Such as "9.7.4-2".
version_of_cached_server() {
    local suite packages programs
    select_newer_server "$1"
    sed -n "s/^${packages[0]} \([0-9]*:\)\?//p" "$(cached_server "$1")/packages"
}

# Every machine has the mirror that serves it best, and it serves the newer suites as well.
debian_mirror() {
    local uri
    while read -r uri; do
        if [[ $uri =~ /debian/?$ ]]; then
            echo "$uri"
            return
        fi
    done < <(
        sed -n -s -e 's/^URIs:[[:space:]]*//p' \
            -e 's/^deb[[:space:]]\+\(\[[^]]*\][[:space:]]*\)\?\([^[:space:]]\+\).*/\2/p' \
            /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list \
            /etc/apt/sources.list 2>/dev/null | tr ' ' '\n'
    )
    fail "the apt sources of this machine name no Debian mirror"
}

# run_private_apt FOLDER COMMAND...: apt-get or apt-cache with all state in FOLDER. Of the machine's
# settings those of the network apply, but not what it wants to be run after an update.
run_private_apt() {
    local folder=$1 command=$2
    shift 2
    "$command" --config-file="$folder/apt.conf" "$@"
}

# configure_private_apt FOLDER SUITE
configure_private_apt() {
    local mirror
    mirror=$(debian_mirror)
    mkdir -p "$1"/{lists/partial,archives/partial}
    touch "$1/status"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $2 main" \
        >"$1/sources.list"
    cat >"$1/apt.conf" <<SETTINGS
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
Dir::State "$1";
Dir::State::status "$1/status";
Dir::State::lists "$1/lists";
Dir::Cache "$1";
Dir::Cache::archives "$1/archives";
Dir::Etc::sourcelist "$1/sources.list";
Dir::Etc::sourceparts "-";
Debug::NoLocking "true";
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
APT::Install-Recommends "false";
Acquire::Languages "none";
SETTINGS
}

# check_series NAME FOLDER: the suite may have moved on to a server that is not the one named.
check_series() {
    local name=$1 candidate suite packages programs
    select_newer_server "$name"
    candidate=$(run_private_apt "$2" apt-cache policy "${packages[0]}" |
        sed -n 's/^ *Candidate: \([0-9]*:\)\?//p')
    [[ $candidate == "${name#*-}".* ]] ||
        fail "Debian $suite has no $name any more (${packages[0]} there:" \
            "${candidate:-none}); copy the folder of a machine that has it cached to" \
            "$(server_cache)/$name, or name its successor in scripts/server_cache.sh"
}

# adopt_libc FOLDER FINAL_FOLDER PROGRAM...: lets programs, once FOLDER is renamed, run with the libc
# and the libraries there. DT_RPATH, unlike DT_RUNPATH, also holds for the libraries' libraries.
adopt_libc() {
    local folder=$1 final=$2 loader libraries program
    shift 2
    loader=$(compgen -G "$folder/usr/lib*/ld-linux*.so.*" | head -n 1)
    libraries=$(compgen -G "$folder/usr/lib/*-linux-gnu*" | head -n 1)
    for program in "$@"; do
        patchelf --set-interpreter "$final${loader#"$folder"}" \
            --force-rpath --set-rpath "$final${libraries#"$folder"}" "$folder/$program"
    done
}

# unpack_server NAME FOLDER: makes a cached server in FOLDER that works once it has its final name.
unpack_server() {
    local name=$1 folder=$2 apt=$2/apt package suite packages programs
    select_newer_server "$name"
    configure_private_apt "$apt" "$suite"
    run_private_apt "$apt" apt-get -qq update
    check_series "$name" "$apt"
    run_private_apt "$apt" apt-get -qq -y --download-only install "${packages[@]}" >/dev/null
    for package in "$apt"/archives/*.deb; do
        dpkg-deb --extract "$package" "$folder"
        # shellcheck disable=SC2016 # dpkg's variables
        dpkg-deb --show --showformat='${Package} ${Version}\n' "$package" >>"$folder/packages"
    done
    rm -rf "$apt" "$folder"/usr/share/{doc,man,locale,perl}
    # Nobody needs a second su, and the server's user has to read what is here.
    chmod -R a-s,a+rX "$folder"
    adopt_libc "$folder" "$(server_cache)/$name" "${programs[@]}"
}

# cache_server NAME: in one step, as far as anybody can see, and durably, so that no crash leaves a
# folder that only looks complete.
cache_server() {
    local cache new suite packages programs
    cache=$(server_cache)
    select_newer_server "$1"
    say "fetching $1 from Debian $suite into $cache"
    new=$(mktemp -d "$cache/.$1.XXXXXX")
    unpack_server "$1" "$new"
    sync --file-system "$new"
    mv -T "$new" "$cache/$1"
    say "cached $1 $(version_of_cached_server "$1")"
}

# cache_servers NAME...: puts those that are in no cache into one, all at once.
cache_servers() {
    local cache name job missing=() jobs=() result=0
    cache=$(server_cache)
    for name in "$@"; do
        cached_server "$name" >/dev/null || missing+=("$name")
    done
    ((${#missing[@]} > 0)) || return 0
    require_command patchelf
    (umask 022 && mkdir -p "$cache") || fail "cannot write to $cache; set XA_TM_SERVER_CACHE"
    exec 8<"$cache"
    flock -w "$server_cache_lock_limit_s" 8 ||
        fail "another run has been filling $cache for $server_cache_lock_limit_s s"
    # Nobody else is at work, so this is what killed runs have left.
    rm -rf "$cache"/.??*
    for name in "${missing[@]}"; do
        if ! cached_server "$name" >/dev/null; then
            cache_server "$name" &
            jobs+=($!)
        fi
    done
    for job in "${jobs[@]}"; do
        wait "$job" || result=1
    done
    exec 8<&-
    return "$result"
}
