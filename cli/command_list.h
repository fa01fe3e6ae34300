/* command_list.h - what each command takes beside the common flags. A flag that ends in '=' wants a
 * value; `load` reads its own (load.c). COMMAND(name, most positional words, its own flags...) */
COMMAND("run", 0, NULL)
COMMAND("check", 1, "--data=", "--json", "--explain=", "--at=", NULL)
COMMAND("demo", 0, NULL)
COMMAND("version", 0, NULL)
COMMAND("replay", 0, "--data=", "--from=", "--to=", "--limit=", "--json", NULL)
COMMAND("quarantine", 64,
        "--console=", "--token=", "--by=", "--tenant=", "--limit=", "--cursor=", "--all", "--json",
        NULL)
COMMAND("dlq", 64,
        "--console=", "--token=", "--by=", "--tenant=", "--sink=", "--limit=", "--cursor=", "--all",
        "--json", NULL)
COMMAND("silence", 2, "--console=", "--token=", "--by=", "--tenant=", "--severity=", "--entity=",
        "--owner=", "--label=", "--for=", "--start=", "--end=", "--reason=", "--json", NULL)
COMMAND("graph", 3,
        "--console=", "--token=", "--by=", "--tenant=", "--direction=", "--hops=", "--json",
        "--to=", NULL)
COMMAND("audit", 0, "--console=", "--token=", "--tenant=", "--limit=", "--cursor=", "--json", NULL)
COMMAND("explain", 1, "--console=", "--token=", "--tenant=", "--json", NULL)
