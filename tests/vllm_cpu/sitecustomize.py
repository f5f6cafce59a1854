"""What vLLM needs on a machine without a GPU; Python imports it at the start of every process, vLLM's own included.

torchvision's published build wants CUDA. Beside a CPU build of torch it only lacks these two operators, which no image
processing calls; with them declared it imports.
"""

from torch import library, version

if version.cuda is None:
    operators = library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        operators.define(name + "(Tensor boxes, Tensor scores, float threshold) -> Tensor")
