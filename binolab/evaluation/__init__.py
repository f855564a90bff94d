"""How good is it? What a model writes, measured beside music.

    features     what can be counted in a roll; a metric is a line of FEATURES
    distances    how far one set of rolls lies from another
    comparison   every feature of two sets, with floors, controls and errors
    masked       what free cells cost in nats, and harmony beside its composer's
    evaluate     all of these of one model
    report       the result in words, and its files
    page         the result as a page of figures

Chapter: 16 *How good is it?*
"""
