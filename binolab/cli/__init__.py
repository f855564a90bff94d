"""The command line. Each command translates its options and calls the library.

main       runs a command; a fault is one line and exit status 2
options    what can be asked
train      ``binolab train``
results    what a finished run leaves beside its weights: samples, curve, report
evaluate   ``binolab evaluate``
"""
