"""What is seen and heard. Nothing here knows a model.

    plotting       pictures of rolls, and the other figures of the book
    architecture   a UNet drawn as in Fig. 2 of the paper
    audio          a roll as the sound of strings, and players for the page
    widgets        sliders over pictures that were made before

Chapters: 02 *From MIDI to a roll*, 05 *Watching the noise*.
"""
