"""Networks as plain modules, tensors in and out, and the losses they are trained with."""
