"""How good is it? What a model writes, measured beside music.

    features     what can be counted in a roll
    distances    how far one set of rolls lies from another
    comparison   every feature of two sets, with floors, controls and errors
    masked       what free cells cost in nats, and harmony beside its composer's
    report       all of these of one model
    page         the report in words and pictures

Chapter: 14 *How good is it?*
"""
