# clean_windows.ps1 FOLDER: tries boxes with the code page of an old Russian Windows, by a user with a Cyrillic name.
param([Parameter(Mandatory)][string] $Folder)
$ErrorActionPreference = "Stop"
$PSNativeCommandUseErrorActionPreference = $false

$user = Join-Path $env:SystemDrive "Users\Ёжик в тумане"
$temp = Join-Path $user "AppData\Local\Temp"
New-Item -ItemType Directory -Force $temp, (Join-Path $user "AppData\Roaming"), (Join-Path $user "Загрузки") | Out-Null
$env:USERPROFILE = $user
$env:APPDATA = Join-Path $user "AppData\Roaming"
$env:TEMP = $env:TMP = $temp
$env:PATH = "$env:SystemRoot\System32"
Remove-Item Env:PYTHON* -ErrorAction Ignore
& "$env:SystemRoot\System32\chcp.com" 866 | Out-Null

function Expect([string] $What, [string] $Box, [string[]] $Arguments) {
    $said = & $Box @Arguments 2>&1 | Out-String
    if ($LASTEXITCODE -ne 0) { throw "${What}: it ended with ${LASTEXITCODE}: $said" }
    if (-not $said.Trim()) { throw "${What}: it said nothing" }
    if ($said.Contains("Traceback")) { throw "${What}: $said" }
    Write-Output "  $What"
}

function Try-Box([string] $Box) {
    Write-Output $Box
    Expect "version" $Box @("--version")
    Expect "what the maker saw" $Box @("--selftest", "--verify")
    Expect "a Cyrillic line" $Box @("--prompt", "Кот", "--max-tokens", "9")
    $about = (Get-Item $Box).VersionInfo
    if ($about.ProductName -ne "Mind in a Box") { throw "Its version resource says $($about.ProductName)" }
    if (Get-ChildItem "$temp\*" -Include "_MEI*", "mind-in-a-box-*") { throw "Something was left in $temp" }
}

$tried = 0

Get-ChildItem $Folder -Filter "mind-in-a-box-*" | ForEach-Object {
    $downloads = Join-Path $user "Загрузки"
    if ($_.Extension -eq ".exe") {
        Copy-Item $_ $downloads
        Try-Box (Join-Path $downloads $_.Name)
        $tried++
    } elseif ($_.Extension -eq ".zip") {
        Expand-Archive $_ $downloads
        Try-Box (Join-Path $downloads "$($_.BaseName)\mind-in-a-box.exe")
        $tried++
    }
}
if (-not $tried) { throw "There is no box in $Folder" }
