"""The texts that people read, in one JSON file for each language.

`catalogue` finds the texts, `plurals` their forms for a number, `times` writes times and durations, and `server_errors`
finds the sentence for an error from the server. To add a language, add its file.
"""
