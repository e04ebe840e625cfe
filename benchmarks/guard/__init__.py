"""The guard of speed and size: an older build of Natter and the working tree, measured in turn."""
