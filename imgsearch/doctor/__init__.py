"""What `imgsearch doctor` finds: one page, each line ok, warning or failure with its cure. It looks
and changes nothing.

    findings      what a finding is; each check fails alone
    machine       Python, libraries, picture formats, processor, models in the cache, disk
    local_index   SQLite's own check, models, journal
    cluster       from the connection to the disks of its nodes
    cluster_text  the text model in it
    examination   which checks, in which order
"""
