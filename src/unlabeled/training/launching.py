"""The processes of a verb: one, those that it starts itself, or those that torchrun or SLURM started."""

import logging
import os
import warnings
from typing import TYPE_CHECKING

from unlabeled.distributed import world_size
from unlabeled.errors import UserError

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def processes(devices: int, num_nodes: int) -> tuple[int, int]:
    """Devices a machine and machines; torchrun's own numbers where it started this process.

    Args:
        devices: `--devices`; 1 says nothing.
        num_nodes: `--num-nodes`; 1 says nothing.

    Raises:
        UserError: torchrun started other numbers than those that were asked for.
    """
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return devices, num_nodes
    here = int(os.environ["LOCAL_WORLD_SIZE"])
    machines = int(os.environ["WORLD_SIZE"]) // here
    if devices not in (1, here) or num_nodes not in (1, machines):
        raise UserError(
            f"torchrun started {here} x {machines} processes (a machine x machines), but --devices {devices} and "
            f"--num-nodes {num_nodes} ask for others; leave both out."
        )
    return here, machines


def launch(devices: int, num_nodes: int = 1, precision: str = "32-true") -> "Fabric":
    """Start the processes, or join those that are started.

    Args:
        devices: processes on this machine, as `processes` gives them.
        num_nodes: machines.
        precision: what Fabric calls it.

    Raises:
        UserError: the precision or the devices are not to be had here.
    """
    from lightning_fabric import Fabric
    from lightning_fabric.strategies import DDPStrategy

    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # or it announces every process
    # the argument of the same meaning is not in the oldest torch that we run on
    warnings.filterwarnings("ignore", message="`broadcast_buffers` is deprecated")
    count = devices * num_nodes
    if world_size() not in (1, count):
        raise UserError(f"this program runs in {world_size()} processes already; give --devices that make as many.")
    try:
        fabric = Fabric(
            devices=devices,
            num_nodes=num_nodes,
            precision=precision,
            strategy=DDPStrategy(broadcast_buffers=False) if count > 1 else "auto",
        )
    except Exception as problem:  # Fabric raises many kinds for settings that do not fit the machine
        raise UserError(f"{str(problem).splitlines()[0]} Change --devices, --num-nodes or --precision.") from None
    fabric.launch()
    return fabric


def join(devices: int = 1) -> None:
    """Start or join the processes of a verb that needs nothing else of Fabric; one process needs nothing at all.

    Args:
        devices: `--devices`.

    Raises:
        UserError: as `processes` and `launch`, or a number below 1.
    """
    if devices < 1:
        raise UserError(f"--devices takes a number of at least 1, got {devices}.")
    here, machines = processes(devices, 1)
    if here * machines > 1:
        launch(here, machines)
