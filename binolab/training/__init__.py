"""Training: from pieces to weights.

    config        what to train and how; presets
    batches       windows of whole pieces
    step          what is learned in a step
    loop          step after step, with nothing lost when it is interrupted
    checkpoints   what a run leaves on disk
    devices       where the work is done, in which precision, alone or with others

Chapter: 07 *Training it*.
"""
