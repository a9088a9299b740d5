"""What the processes of test_workers.py do."""

import os
import time


def serve(task):
    def answer(request):
        print("not an answer")
        if request == "die":
            os._exit(3)
        if request == "wait":
            time.sleep(60)
        return {"of": task["name"], "twice": 2 * request, "process": os.getpid()}

    return answer
