from reinforced_cot.terminal.run_view import take_over

# In place of Snakemake's blocks about each job, which its log file keeps; a dry-run prints them still.
RUN_VIEW = take_over(workflow) if IS_MAIN and workflow.is_main_process else None


onsuccess:
    if RUN_VIEW:
        RUN_VIEW.ended(is_success=True)


onerror:
    if RUN_VIEW:
        RUN_VIEW.ended(is_success=False)
