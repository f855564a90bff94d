"""Music as bits: what a roll is, and the ways from MIDI and scores to rolls and back.

    rolls      a roll is (pitches, ticks) bits; notes, windows, and MIDI to bits and back
    events     a MIDI file as its events, at ticks
    midi       MIDI files read: within limits, mended where they are damaged
    meter      where the beats of a file are
    parts      which instrument plays what, and those that are asked for
    musicxml   scores read as MIDI
    scores     scores of music21 as rolls, and MIDI written as a score
    notation   notes written as text
    editing    a MIDI file of which some notes are replaced
    keys       which key a roll is in
    codec      rolls on a coarser grid, and whether a note is struck again
    voices     a roll as planes, one for each voice

Chapters: 01 *Notation*, 02 *From MIDI to a roll*.
"""
