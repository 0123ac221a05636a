# What .ci/run and .ci/full share: steps that are timed and noted, and the table at the end.
# To be sourced in the project's root.

started=$SECONDS
steps=.tox/reports/steps.tsv
left_out=.tox/reports/left-out.txt

begin() {
    rm -rf .tox/reports
    mkdir -p .tox/reports
    : >"$steps" >"$left_out"
    interpreters
}

# pyenv's interpreters are hidden behind shims, through which tox can't see; the newest that we
# support is the one at hand.
interpreters() {
    local folder python
    if command -v pyenv >/dev/null; then
        for folder in "$(pyenv root)"/versions/3.1[123].*/bin; do
            PATH="$PATH:$folder"
        done
    fi
    for python in python3.13 python3.12 python3.11; do
        if "$python" -c "" >/dev/null 2>&1; then
            folder=$("$python" -c 'import sys; print(sys.exec_prefix)')/bin
            PATH="$folder:$PATH"
            break
        fi
    done
    export PATH
}

has_interpreter() { # py312-... -> python3.12; other names take the one at hand
    [[ $1 =~ ^py3([0-9]+)- ]] || return 0
    "python3.${BASH_REMATCH[1]}" -c "" >/dev/null 2>&1
}

install() { # Debian package...: where this machine lets us
    if command -v apt-get >/dev/null && [[ $(id -u) == 0 ]]; then
        { apt-get update -qq && apt-get install -y -qq "$@"; } >/dev/null 2>&1 || true
    fi
}

step() { # name command...: runs it, whatever became of those before
    local name=$1 began=$SECONDS status=0
    shift
    printf '\n== %s\n' "$name"
    "$@" || status=$?
    printf '%s\t%s\t%s\n' "$name" "$status" $((SECONDS - began)) >>"$steps"
    printf '== %s: %s, %d s\n' "$name" "$( ((status)) && echo FAILED || echo passed)" \
        $((SECONDS - began))
}

leave_out() { # name reason
    printf 'left out: %s: %s\n' "$1" "$2" >>"$left_out"
}

finish() {
    printf '\n'
    cat "$left_out"
    python3 .ci/table.py "$steps" "$((SECONDS - started))"
}
