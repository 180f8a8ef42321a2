"""What a GPU must show of this project, in one script of some minutes, without Ray: gpu.py [--device cuda] [--short].

Correctness first, each a line with PASS or FAIL: losses and gradients of every family in single precision, without
TF32, within 1e-4 of the CPU's; an epoch in which the host waits for the device nowhere
(`torch.cuda.set_sync_debug_mode`); a pack equal to single trainings; a training that is resumed; what happens
without enough memory. Then what `rookery bench` measures, as JSON. Exit status 1 where something fails.
`--device cpu --short` is what a test runs: the parts that need no GPU.
"""
