"""Training: from pieces to weights.

    config        what to train and how; presets
    batches       windows of whole pieces
    rate          the learning rate of a step
    step          what is learned in a step
    loop          step after step, with nothing lost when it is interrupted
    pulse         when the loop looks at the loss, saves, measures and stops
    folder        the folder of a run, its log, and who may write there
    checkpoints   the file that a run goes on from
    devices       where the work is done, in which precision, alone or with others

Chapter: 07 *Training it*.
"""
