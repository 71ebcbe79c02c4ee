# shellcheck shell=bash
# What the scripts share. Sourced by them, never run.

# An ordinary user's PATH on Debian lacks the folder that mariadbd is in.
PATH=$PATH:/usr/sbin:/sbin

script_name=$(basename "$0")
source_dir=$(cd -P "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck disable=SC2034 # read by the scripts that source this file
readonly script_name source_dir postgres_version=15

say() {
    printf '%s: %s\n' "$script_name" "$*"
}

fail() {
    printf '%s: error: %s\n' "$script_name" "$*" >&2
    exit 1
}

# For a wrong command line, told from a failure by the exit code 2.
fail_usage() {
    printf '%s: error: %s; see scripts/%s --help\n' "$script_name" "$*" "$script_name" >&2
    exit 2
}

# A script's help is the comment at its head, so that there is one text to keep true.
print_help() {
    sed -n '2,/^$/s/^# \{0,1\}//p' "$0"
}

# require_command COMMAND BOOTSTRAP_ARGUMENTS: fails, saying how to get it, when COMMAND is missing.
require_command() {
    command -v "$1" >/dev/null || fail "$1 is not installed; run scripts/bootstrap${2:+ $2}"
}
