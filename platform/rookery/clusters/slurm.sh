#!/usr/bin/env bash
# Rookery in a SLURM allocation: a Ray cluster for as long as the allocation lasts, and one command on it.
#
#   sbatch --nodes 4 --gpus-per-node 4 --time 24:00:00 rookery.sh \
#       search pelican --survey /shared/S --split P --study /shared/runs/x --trials 200
#
# What stands after the script's name is typed as after `rookery`; options of sbatch before it replace
# those below. When the time is nearly up, the command is told to stop, and the job queues itself again
# and goes on where it was, until the command ends by itself. `scancel` ends it for good.
#SBATCH --job-name=rookery
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --exclusive
#SBATCH --time=24:00:00
#SBATCH --signal=B:USR1@180
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=rookery-%j.log
# CHANGE, or give them to sbatch: GPUs of a node, your account and partition.
##SBATCH --gpus-per-node=4
##SBATCH --account=ACCOUNT
##SBATCH --partition=PARTITION

set -uo pipefail
if [ $# -eq 0 ]; then
    echo "usage: sbatch [--nodes N ...] $0 search|campaign ... (what you would type after 'rookery')" >&2
    exit 2
fi

# CHANGE: how Rookery's Python is found on every node, from a file system that all of them see.
source "${ROOKERY_VENV:-$HOME/rookery/.venv}/bin/activate" || exit 2

# A token of your own, so that no one else in the network can use this cluster.
umask 077
[ -s "$HOME/.ray/auth_token" ] || ray get-auth-token --generate > /dev/null || exit 2
export RAY_AUTH_MODE=token

# The batch script runs on the first node, which becomes the head.
head_ip=${ROOKERY_HEAD_IP:-$(hostname -I | awk '{print $1}')}
address=$head_ip:$((20000 + SLURM_JOB_ID % 20000))
export RAY_TMPDIR=/tmp/rookery-$SLURM_JOB_ID
export RAY_SYMMETRIC_RUN_CLUSTER_WAIT_TIMEOUT=600
driver=${SLURM_SUBMIT_DIR:-$PWD}/.rookery-$SLURM_JOB_ID.pid
trap 'rm -f "$driver"' EXIT

resources=()
[ -n "${SLURM_CPUS_ON_NODE:-}" ] && resources+=("--num-cpus=$SLURM_CPUS_ON_NODE")
[ -n "${SLURM_GPUS_ON_NODE:-}" ] && resources+=("--num-gpus=$SLURM_GPUS_ON_NODE")

# As Ctrl-C does: the command stops in order. A kill would only cost the epochs since its checkpoints.
stop() { [ -s "$driver" ] && kill -INT "$(cat "$driver")"; }
again=no
trap 'again=yes; echo "the allocation ends soon: stopping, to go on in the next"; stop' USR1
trap stop TERM

ulimit -n "$(ulimit -Hn)"
# The nodes are ours alone: a Ray that is still there is what a cancelled job left.
# shellcheck disable=SC2016
srun --nodes="$SLURM_JOB_NUM_NODES" --ntasks="$SLURM_JOB_NUM_NODES" --ntasks-per-node=1 --kill-on-bad-exit=0 \
    bash -c 'ray stop --force > /dev/null 2>&1; mkdir -p "$RAY_TMPDIR"; exec ray symmetric-run "$@"' _ \
    --address "$address" --min-nodes "$SLURM_JOB_NUM_NODES" "${resources[@]}" --include-dashboard=false -- \
    bash -c 'echo $$ > "$0"; exec python -m rookery "$@"' "$driver" "$@" --address "$address" &
step=$!
while true; do # a signal ends `wait`, not the step
    wait "$step"
    status=$?
    kill -0 "$step" 2> /dev/null || break
done

if [ "$again" = yes ] && [ "$status" -ne 0 ]; then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
