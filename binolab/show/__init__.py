"""What is seen and heard. Nothing here knows a model.

    plotting       pictures of rolls, and the style of all figures
    curves         schedules, the log of a training, samplers beside music
    architecture   a UNet drawn as in Fig. 2 of the paper
    audio          a roll as the sound of strings, and players for the page
    widgets        sliders that choose one of some pictures

Chapters: 02 *From MIDI to a roll*, 05 *Watching the noise*.
"""
