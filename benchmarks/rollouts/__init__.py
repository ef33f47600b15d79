"""What the rollout benchmark times: td7's episodes, their physics alone, and the peers."""
