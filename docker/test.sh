#!/usr/bin/env bash
# Brings the deployment of compose.yaml up, breaks it, and checks from outside that no result is missing or there twice, and
# that the feed told every gap. Needs a docker engine, and `docker compose` or `docker-compose`.
set -euo pipefail
cd "$(dirname "$0")"

FILE_COUNT=3000         # to hash
export PACE=500         # milliseconds for each file and worker at least: five minutes of work, however slow this machine is with containers
export KEEP=20          # messages of each stream in the publisher's cache: five seconds
CUT=12                  # seconds that a container is off the network
PATIENCE=120            # seconds to wait for any one thing
STREAMS=(host/cores host/memory host/disks host/processes)

PROJECT="outband-test-$$"
WORK="$(mktemp -d)"
export FILES="$WORK/files"

if docker compose version >/dev/null 2>&1; then COMPOSE=(docker compose); else COMPOSE=(docker-compose); fi
compose() { "${COMPOSE[@]}" --project-name "$PROJECT" "$@" </dev/null; }

say() { printf '%4d s  %s\n' "$SECONDS" "$*"; }
fail() {
  compose ps || true
  compose logs --tail 20 || true
  printf '\nFAILED: %s\n' "$*"
  exit 1
}
clean() {
  [[ -z "${hurried:-}" ]] || docker rm --force "$hurried" >/dev/null 2>&1 || true
  compose down --volumes --timeout 5 >/dev/null 2>&1 || true
  rm -rf "$WORK"
}
trap clean EXIT
trap 'exit 130' INT TERM

# until WHAT COMMAND...: waits for the command to succeed
until_() {
  local what="$1" deadline=$((SECONDS + PATIENCE))
  shift
  until "$@"; do
    ((SECONDS < deadline)) || fail "not within $PATIENCE s: $what"
    sleep 0.5
  done
}
container() { compose ps -q "$1"; }
state() { docker inspect --format "{{.State.$2}}" "$1"; }
is_running() { [[ "$(state "$1" Running)" == true ]]; }
has_ended() { ! is_running "$1"; }
is_healthy() { [[ "$(state "$1" Health.Status)" == healthy ]]; }
are_healthy() {
  local one
  for one in "$@"; do is_healthy "$one" || return 1; done
}
is_unhealthy() { [[ "$(state "$1" Health.Status)" == unhealthy ]]; }
ended_well() {
  until_ "$1 ends" has_ended "$2"
  [[ "$(state "$2" ExitCode)" == 0 ]] || fail "$1 ended with $(state "$2" ExitCode)"
}
# whether a follower has printed something after it told of a silence; its connection may be there and dead
hears() { docker logs "$1" 2>/dev/null | tail -n 1 | grep -qv 'silent for'; }
# files that the worker in a container has hashed, by what the dispatcher says
hashed_by() { docker logs "$dispatcher" 2>&1 >/dev/null | grep -c " by ${1:0:12}, attempt" || true; }
has_hashed() { (($(hashed_by "$1") > $2)); }
at_work() {
  is_running "$dispatcher" || fail "the work was over before $1: have more files"
}

# --- the files

mkdir "$FILES" && chmod 755 "$WORK" "$FILES"
for ((number = 0; number < FILE_COUNT; number++)); do
  head -c $((number % 50 * 1001)) /dev/urandom >"$FILES/$number"
done
mkdir "$FILES/a folder"
head -c 20000000 /dev/urandom >"$FILES/a folder/large"
echo odd >"$FILES/a folder/back\\slash"
count="$(find "$FILES" -type f | wc -l)"

# --- up

compose build --quiet >"$WORK/build" 2>&1 || { cat "$WORK/build"; fail "the images do not build"; }
say "built"
SECONDS=0

# subscribers first, so that they have every message from the first one on
compose up --detach --no-build near far >"$WORK/up" 2>&1 || { cat "$WORK/up"; fail "subscribers"; }
compose up --detach --no-build --scale worker=1 telemetry dispatcher worker python-worker >"$WORK/up" 2>&1 ||
  { cat "$WORK/up"; fail "the others"; }
near="$(container near)" far="$(container far)" telemetry="$(container telemetry)"
dispatcher="$(container dispatcher)" python="$(container python-worker)"
until_ "everything is healthy" are_healthy "$telemetry" "$near" "$far" "$dispatcher" "$python" "$(container worker)"
say "healthy: a feed, two subscribers, a dispatcher, a worker in Rust, a worker in Python"

compose up --detach --no-build --no-deps --no-recreate --scale worker=4 worker >"$WORK/up" 2>&1 ||
  { cat "$WORK/up"; fail "more workers"; }
mapfile -t workers < <(container worker)
((${#workers[@]} == 4)) || fail "${#workers[@]} workers instead of 4"
for worker in "${workers[@]}" "$python"; do
  until_ "${worker:0:12} works" has_hashed "$worker" 0
done
say "scaled to 4 workers, and each of 5 has results"

# --- broken

lost=("${workers[0]}") cut="${workers[1]}" leaves="${workers[2]}"
at_work "a worker was killed"
docker kill --signal KILL "${lost[0]}" >/dev/null
say "killed a worker"

network="${PROJECT}_default"
at_work "a worker was cut off"
docker network disconnect "$network" "$cut"
docker network disconnect "$network" "$far"
has_before="$(hashed_by "$cut")"
say "cut a worker and a subscriber off the network"
sleep "$CUT"
# without a network there is nothing but what it had
(($(docker logs "$far" 2>/dev/null | grep -c 'silent for') >= 1)) || fail "the subscriber did not notice that it was cut off"
until_ "the cut worker is unhealthy" is_unhealthy "$cut"
docker network connect "$network" "$cut"
docker network connect "$network" "$far"
at_work "the worker was back"
until_ "the cut worker works again" has_hashed "$cut" $((has_before + 4))
until_ "the cut subscriber hears again" hears "$far"
say "connected them again: the worker has further results, the subscriber has told of its silence"

at_work "a worker was stopped"
docker stop --time 35 "$leaves" >/dev/null
ended_well "the stopped worker" "$leaves"
docker logs "$leaves" 2>&1 | grep -q '^left after' || fail "the stopped worker did not leave in order"
at_work "the stopped worker was gone"
say "stopped a worker: it left with exit code 0"

# --- every result is there once

# enough was broken: one that takes its time for nothing does the rest
hurried="$(docker run --detach --network "$network" outband-rust pipeline_hash work tcp://dispatcher:5555)"
until_ "the dispatcher ends" has_ended "$dispatcher"
ended_well "the dispatcher" "$dispatcher"
docker logs "$dispatcher" 2>"$WORK/told" >"$WORK/SHA256SUMS"
(($(wc -l <"$WORK/SHA256SUMS") == count)) || fail "$(wc -l <"$WORK/SHA256SUMS") lines for $count files"
(($(sort "$WORK/SHA256SUMS" | uniq | wc -l) == count)) || fail "a result is there twice"
(cd "$FILES" && sha256sum --check --strict --quiet "$WORK/SHA256SUMS") || fail "a hash is wrong"
again="$(sed -n 's/^[0-9]* files; \([0-9]*\) workers lost, \([0-9]*\) files handed out again.*/\1 \2/p' "$WORK/told")"
read -r lost_workers handed_out_again <<<"$again"
((lost_workers == 2)) || fail "the dispatcher lost $lost_workers workers: one was killed, one cut off, and one left in order"
((handed_out_again >= 3)) || fail "only $handed_out_again files were handed out again"
(($(grep -c ' attempt [2-9]' "$WORK/told") >= 2)) || fail "no file took a second attempt"
for worker in "${workers[@]}" "$python"; do
  has_hashed "$worker" 0 || fail "a worker has no result"
done
say "$count files, $count results, each once, sha256sum agrees; $handed_out_again handed out again"

# --- stopped

compose stop --timeout 35 worker python-worker >/dev/null 2>&1
ended_well "a worker" "$cut"
ended_well "a worker" "${workers[3]}"
ended_well "the worker in Python" "$python"
docker logs "$python" 2>&1 | grep -q '^left after' || fail "the worker in Python did not leave in order"
[[ "$(state "${lost[0]}" ExitCode)" == 137 ]] || fail "the killed worker ended with $(state "${lost[0]}" ExitCode)"
compose stop --timeout 35 telemetry >/dev/null 2>&1
ended_well "the feed" "$telemetry"
ended_well "the near subscriber" "$near"
ended_well "the far subscriber" "$far"
say "stopped everything: exit code 0"

# --- the feed left no gap unreported

docker logs "$telemetry" 2>/dev/null >"$WORK/published"
# partition STREAM LAST: delivered numbers and gaps, in order, are 1 to LAST; prints how many of either
partition() {
  awk -v stream="$1" -v last="$2" '
    function bad(why) { print stream ": " why ": " $0 > "/dev/stderr"; broken = 1; exit 1 }
    $1 != stream { next }
    $2 == "begins" { if ($4 != 1) bad("does not begin with 1"); begun = 1; next }
    $2 !~ /^[0-9]+$/ || $3 == "delivered," { next }
    !begun { bad("before its beginning") }
    $2 != high + 1 { bad("follows " high + 0) }
    $3 == "to" { lost += $4 - $2 + 1; gaps++; high = $4; next }
    { delivered++; high = $2 }
    END { if (broken) exit 1; if (high != last) bad("ends with " high + 0 ", not " last); print delivered + 0, lost + 0, gaps + 0 }'
}
for stream in "${STREAMS[@]}"; do
  last="$(awk -v stream="$stream" '$1 == stream && $3 == "published" { print $2 }' "$WORK/published")"
  ((last > 0)) || fail "nothing was published on $stream"
  heard="$(docker logs "$near" 2>/dev/null | partition "$stream" "$last")" || fail "near: $stream"
  read -r delivered lost_here _ <<<"$heard"
  ((delivered == last && lost_here == 0)) || fail "near: $delivered of $last delivered on $stream, $lost_here lost"
  heard="$(docker logs "$far" 2>/dev/null | partition "$stream" "$last")" || fail "far: $stream"
  read -r delivered lost_here gaps <<<"$heard"
  ((delivered + lost_here == last)) || fail "far: $delivered and $lost_here of $last on $stream"
  ((gaps > 0)) || fail "far: it was off the network for longer than the cache lasts, and was told of no gap on $stream"
  say "$stream: $last published; near has all, far has $delivered and was told of $lost_here lost"
done

echo "all checks passed in $SECONDS s after the build"
